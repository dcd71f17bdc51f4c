import assert from "node:assert/strict";
import { createRefusalLog } from "../../../lib/receiver/rate_limits.ts";
import { address, keepReport, testTime } from "./helpers.ts";

const r1 = address("192.0.2.1");
const r2 = address("192.0.2.2");

function start() {
  const time = testTime();
  const kept = keepReport();
  return { time, ...kept, log: createRefusalLog(kept.report, time.after) };
}

Deno.test("createRefusalLog() says the first refusal at once and sums up a minute's others", () => {
  const { time, said, log } = start();
  log.refused("mac", r1);
  assert.deepEqual(said, [{
    event: "refused",
    values: { count: 1, reasons: "1 mac", source: "192.0.2.1", sourceCount: 1 },
  }]);
  for (let i = 0; i < 5; i++) log.refused("length", r2);
  log.refused("mac", r1);
  time.pass(59_999);
  assert.equal(said.length, 1);
  time.pass(1);
  assert.deepEqual(said[1].values, {
    count: 6,
    reasons: "5 length, 1 mac",
    source: "192.0.2.2",
    sourceCount: 5,
  });
});

Deno.test("createRefusalLog() says at most one thing a minute, and nothing when nothing comes", () => {
  const { time, said, log } = start();
  for (let second = 0; second < 600; second++) {
    log.refused("magic", r1);
    time.pass(1_000);
  }
  assert.equal(said.length, 11);
  assert.equal(said.reduce((sum, { values }) => sum + Number(values.count), 0), 600);
  time.pass(600_000);
  assert.equal(said.length, 11);
  assert.equal(time.timers, 0);
  log.refused("magic", r1);
  assert.equal(said.length, 12);
});

Deno.test("createRefusalLog() counts all of a thousand sources and names the one that sent most", () => {
  const { time, said, log } = start();
  log.refused("key", r1);
  for (let i = 0; i < 1_000; i++) {
    log.refused("key", r2);
    log.refused("key", address(`10.0.${i >> 8}.${i & 255}`));
  }
  time.pass(60_000);
  assert.equal(said[1].values.count, 2_000);
  assert.equal(said[1].values.source, "192.0.2.2");
});

Deno.test("createRefusalLog() says the rest when it is closed and leaves no timer", () => {
  const { time, said, log } = start();
  for (let i = 0; i < 3; i++) log.refused("type", r1);
  log.close();
  assert.deepEqual(said.map(({ values }) => values.count), [1, 2]);
  assert.equal(time.timers, 0);
});
