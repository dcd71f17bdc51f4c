/** How outages come from answers, and that each fault of a run is found. */
import assert from "node:assert/strict";
import {
  faultsOf,
  findSilences,
  type LaneResult,
  lanes,
  outageAfter,
  type RunResult,
} from "./result.ts";

Deno.test("findSilences() finds gaps and the silence at the end", () => {
  const silences = findSilences([0, 10, 210, 220, 300], 1000);
  assert.deepEqual(silences, [{ from: 10, to: 210 }, { from: 300, to: null }]);
  assert.deepEqual(findSilences([0, 10, 210, 220, 300], 399), [{ from: 10, to: 210 }]);
});

Deno.test("outageAfter() takes the longest silence that a failure begins, and says if it ends", () => {
  const silences = [{ from: 95, to: 400 }, { from: 450, to: 460 }, { from: 995, to: 1200 }];
  assert.deepEqual(outageAfter(silences, 100, 1000, 2000), { ms: 305, healed: true });
  assert.deepEqual(outageAfter(silences, 1000, 2000, 2000), { ms: 205, healed: true });
  const healed = false;
  assert.deepEqual(outageAfter([{ from: 95, to: null }], 100, 1000, 2000), { ms: 1905, healed });
  assert.deepEqual(outageAfter([{ from: 95, to: 1001 }], 100, 1000, 2000), { ms: 906, healed });
  // The next failure's silence, which is longer, isn't this one's.
  const two = [{ from: 95, to: 400 }, { from: 995, to: 1600 }];
  assert.deepEqual(outageAfter(two, 100, 1000, 2000), { ms: 305, healed: true });
  const throughout = [{ from: 10, to: 90 }, { from: 1000, to: 1300 }];
  assert.deepEqual(outageAfter(throughout, 100, 1000, 2000), { ms: 0, healed: true });
});

function laneResult(i: number, ms: [number, number], healed = true): LaneResult {
  const silences = healed ? [{ from: 0, to: ms[0] }] : [{ from: 0, to: null }];
  const outages = ms.map((ms) => ({ ms, healed }));
  const ignoredArpPackets = lanes[i].ignoresGratuitousArp ? 20 : null;
  return { ...lanes[i], ignoredArpPackets, outages, silences };
}

const stuck = laneResult(0, [20_000, 20_000], false);
const healing = laneResult(1, [3060, 2040]);
const report = { at: 4000, where: "system log", kind: "report", text: "info: 1 healed" } as const;

function runOf(a: LaneResult, b: LaneResult, moments = [report, report]): RunResult {
  return { end: 20_000, failures: [0, 6000], moments, lanes: [a, b, laneResult(2, [3000, 2000])] };
}

Deno.test("faultsOf() names each host that did not do what it must, and a missing report", () => {
  assert.deepEqual(faultsOf(runOf(stuck, healing)), []);
  const once = { ...healing, outages: [healing.outages[0], { ms: 14_000, healed: false }] };
  assert.deepEqual(faultsOf(runOf(stuck, once)), ["Lane b did not heal after failover 2"]);
  const deaf = laneResult(1, [3060, 0]);
  assert.deepEqual(faultsOf(runOf(stuck, deaf)), ["Lane b noticed no failover 2"]);
  const healed = laneResult(0, [3060, 2000]);
  assert.deepEqual(faultsOf(runOf(healed, healing)), ["Lane a healed by itself after 3.1 s"]);
  const soon = { ...stuck, silences: [{ from: 0, to: 14_000 }] };
  assert.equal(faultsOf(runOf(soon, healing)).length, 1);
  const heeding = { ...stuck, ignoredArpPackets: 3 };
  assert.equal(faultsOf(runOf(heeding, healing)).length, 1);
  assert.equal(faultsOf(runOf(stuck, healing, [report])).length, 1);
});
