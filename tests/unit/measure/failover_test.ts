import assert from "node:assert/strict";
import { failoverSection } from "../../measure/failover.ts";

const outage = (ms: number, healed = true) => ({ ms, healed });
const lane = (id: string, ...outages: { ms: number; healed: boolean }[]) => ({
  id,
  title: id,
  station: id,
  expected: "heals" as const,
  answers: 1,
  ignoredArpPackets: null,
  silences: [],
  outages,
});
const lab = {
  day: "2026-11-23",
  runs: [{
    lanes: [
      lane("a", outage(20_000, false), outage(15_000, false)),
      lane("b", outage(3_030), outage(3_030)),
      lane("c", outage(3_000), outage(3_000)),
    ],
  }],
};

Deno.test("failoverSection() sets measured outages beside what a scheduled task would do", () => {
  const { rows } = failoverSection(lab, () => 0.5);
  const [accepting, ours, every10, , every60, nothing] = rows;
  assert.deepEqual(accepting.slice(1), ["3,000", "3,000", "1.00"]);
  assert.deepEqual(ours.slice(1), ["3,030", "3,030", "1.01"]);
  assert.deepEqual(every10[1], "8,000");
  assert.deepEqual(every60[1], "33,000");
  assert.deepEqual(nothing[1], "over 15,000");
});
