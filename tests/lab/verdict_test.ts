/** What the lab calls a fault: each is found in a run that is otherwise right. */
import assert from "node:assert/strict";
import type { LaneResult, Moment, RunResult } from "./result.ts";
import { faultsOf, middleRun, ratioOfRun } from "./verdict.ts";

function lane(id: string, expected: LaneResult["expected"], ms: [number, number]): LaneResult {
  return {
    id,
    title: id,
    station: `host-${id}`,
    expected,
    answers: 1000,
    ignoredArpPackets: null,
    outages: ms.map((ms) => ({ ms, healed: true })),
    silences: [{ from: 0, to: ms[0] }, { from: 6000, to: 6000 + ms[1] }],
  };
}

const stuck: LaneResult = {
  ...lane("a", "stays stuck", [20_000, 20_000]),
  outages: [{ ms: 20_000, healed: false }, { ms: 20_000, healed: false }],
  silences: [{ from: 0, to: null }],
};
const reports: Moment[] = [4000, 10_000].map((at) => ({
  at,
  where: "system log",
  kind: "report",
  text: "info: 1 healed",
}));

function run(b: LaneResult, a = stuck, moments = reports): RunResult {
  const lanes = [a, b, lane("c", "heals", [3000, 2000])];
  return { end: 20_000, failures: [0, 6000], moments, lanes };
}

const right = run(lane("b", "heals", [3060, 2040]));

Deno.test("faultsOf() finds nothing in a run where every lane did what it must", () => {
  assert.deepEqual(faultsOf(right), []);
});

Deno.test("faultsOf() names a lane that healed only once", () => {
  const once = lane("b", "heals", [3060, 14_000]);
  const outages = [once.outages[0], { ms: 14_000, healed: false }];
  assert.deepEqual(faultsOf(run({ ...once, outages })), [
    "Lane b did not heal after failover 2",
  ]);
});

Deno.test("faultsOf() names a failover that a lane did not notice", () => {
  assert.deepEqual(faultsOf(run(lane("b", "heals", [3060, 0]))), [
    "Lane b noticed no failover 2",
  ]);
});

Deno.test("faultsOf() names a lane that healed though nothing could heal it", () => {
  const healed = lane("a", "stays stuck", [3060, 2000]);
  const faults = faultsOf(run(right.lanes[1], healed));
  assert.deepEqual(faults, ["Lane a healed by itself after 3.1 s"]);
  const soon = { ...stuck, silences: [{ from: 0, to: 14_000 }] };
  assert.equal(faultsOf(run(right.lanes[1], soon)).length, 1);
});

Deno.test("faultsOf() misses the report of a router", () => {
  const faults = faultsOf(run(right.lanes[1], stuck, reports.slice(1)));
  assert.deepEqual(faults, ["The system log has 1 reports of 2"]);
});

Deno.test("middleRun() is the run with the median ratio", () => {
  const runs = [3300, 3030, 3090].map((ms) => run(lane("b", "heals", [ms, 2000])));
  assert.deepEqual(runs.map((run) => ratioOfRun(run).toFixed(3)), ["1.060", "1.006", "1.018"]);
  assert.equal(middleRun(runs), runs[2]);
});
