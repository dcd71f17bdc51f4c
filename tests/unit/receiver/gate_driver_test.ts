import assert from "node:assert/strict";
import type { FlushScope } from "../../../lib/neighbors/neighbor_cache.ts";
import { createFlushGate, createGateDriver } from "../../../lib/receiver/flusher.ts";
import type { After } from "../../../lib/time.ts";
import { address, testTime } from "./helpers.ts";

const holdDown = 10_000;

function start(after?: After) {
  const time = testTime();
  const begin = time.clock.monotonic();
  const flushes: { at: number; scope: FlushScope; askers: readonly string[] }[] = [];
  const driver = createGateDriver<string>({
    gate: createFlushGate(holdDown),
    now: time.clock.monotonic,
    after: after ?? time.after,
    start: (scope, askers) =>
      void flushes.push({ at: time.clock.monotonic() - begin, scope, askers }),
  });
  return { time, flushes, driver };
}

Deno.test("createGateDriver() hands each asker to one flush, pending ones when due", () => {
  const { time, flushes, driver } = start();
  for (const asker of ["a", "b", "c", "d", "e"]) driver.request("all", asker);
  assert.deepEqual(flushes.map(({ askers }) => askers), [["a"], ["b"], ["c"]]);
  assert.equal(time.timers, 1);
  time.pass(holdDown - 1);
  assert.equal(flushes.length, 3);
  time.pass(1);
  assert.deepEqual(flushes[3], { at: holdDown, scope: "all", askers: ["d", "e"] });
  time.pass(holdDown);
  assert.equal(flushes.length, 4);
  assert.equal(time.timers, 0);
});

Deno.test("createGateDriver() has no timer while nothing is pending", () => {
  const { time, driver } = start();
  driver.setHoldDown(1_000);
  assert.equal(time.timers, 0);
  driver.request("all", "a");
  driver.setHoldDown(2_000);
  assert.equal(time.timers, 0);
});

Deno.test("createGateDriver() waits on when a timer is early", () => {
  const time = testTime();
  const early: After = (ms, run) => time.after(ms > 5 ? ms - 5 : ms, run);
  const flushes: number[] = [];
  const driver = createGateDriver<string>({
    gate: createFlushGate(holdDown),
    now: time.clock.monotonic,
    after: early,
    start: () => void flushes.push(time.clock.monotonic()),
  });
  const begin = time.clock.monotonic();
  for (let i = 0; i < 4; i++) driver.request("all", "a");
  time.pass(holdDown);
  assert.deepEqual(flushes.slice(3), [begin + holdDown]);
});

Deno.test("createGateDriver() drains what is pending at once and leaves no timer", () => {
  const { time, flushes, driver } = start();
  for (let i = 0; i < 4; i++) driver.request([address("192.0.2.1")], `asker ${i}`);
  driver.drain();
  assert.deepEqual(flushes[3], { at: 0, scope: [address("192.0.2.1")], askers: ["asker 3"] });
  assert.equal(time.timers, 0);
  driver.drain();
  assert.equal(flushes.length, 4);
});

Deno.test("createGateDriver() moves its timer with the hold-down", () => {
  const { time, flushes, driver } = start();
  for (let i = 0; i < 4; i++) driver.request("all", "a");
  driver.setHoldDown(1_000);
  assert.equal(time.timers, 1);
  time.pass(1_000);
  assert.equal(flushes.length, 4);
});

Deno.test("createGateDriver() flushes for more askers than it can tell", () => {
  const { time, flushes, driver } = start();
  for (let i = 0; i < 5_000; i++) driver.request("all", `asker ${i}`);
  time.pass(holdDown);
  assert.equal(flushes.length, 4);
  assert.equal(flushes[3].askers.length, 4_096);
});
