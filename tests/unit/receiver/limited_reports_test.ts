import assert from "node:assert/strict";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createLimitedReport, RefusalLog } from "../../../lib/receiver/limited_reports.ts";
import { createTestTime } from "../../support/test_time.ts";
import { keepReport, manyAddresses } from "./harness.ts";

Deno.test("createLimitedReport() says the first of a kind and one a minute, and builds no other text", () => {
  const time = createTestTime();
  const { report, saidOf } = keepReport();
  let built = 0;
  const say = createLimitedReport(report, time);
  say("ackFailed", () => ({ error: String(++built) }));
  time.pass(59_999);
  say("ackFailed", () => ({ error: String(++built) }));
  say("lookFailed", () => ({ error: String(++built) }));
  time.pass(1);
  say("ackFailed", () => ({ error: String(++built) }));
  assert.deepEqual([saidOf("ackFailed").length, saidOf("lookFailed").length, built], [2, 1, 3]);
});

const r1 = parsePrefix("192.0.2.1");
const r2 = parsePrefix("192.0.2.2");

function start() {
  const time = createTestTime();
  const kept = keepReport();
  return { time, ...kept, log: new RefusalLog(kept.report, time) };
}

Deno.test("RefusalLog says the first refusal at once and sums up a minute's others, the most first", () => {
  const { time, said, log } = start();
  log.refused({ reason: "key" }, r1);
  assert.deepEqual(said, [{
    event: "refused",
    values: { count: 1, reasons: "1 key", source: "192.0.2.1", sourceCount: 1 },
  }]);
  log.refused({ reason: "length" }, r1);
  for (let i = 0; i < 3; i++) log.refused({ reason: "filter" }, r1);
  for (let i = 0; i < 5; i++) log.refused({ reason: "filter" }, r2);
  time.pass(59_999);
  assert.equal(said.length, 1);
  time.pass(1);
  assert.deepEqual(said[1].values, {
    ...{ count: 9, reasons: "8 filter, 1 length", source: "192.0.2.2", sourceCount: 5 },
  });
});

Deno.test("RefusalLog says at most one thing a minute, and nothing when nothing comes", () => {
  const { time, said, log } = start();
  for (let second = 0; second < 600; second++) {
    log.refused({ reason: "magic" }, r1);
    time.pass(1_000);
  }
  assert.equal(said.length, 11);
  assert.equal(said.reduce((sum, { values }) => sum + Number(values.count), 0), 600);
  time.pass(600_000);
  assert.equal(said.length, 11);
  assert.equal(time.timers, 0);
  log.refused({ reason: "magic" }, r1);
  assert.equal(said.length, 12);
});

Deno.test("RefusalLog counts 256 sources by name, and what more of them sent in all", () => {
  const { time, said, log } = start();
  log.refused({ reason: "key" }, r1);
  const sources = manyAddresses(256);
  for (const source of sources) log.refused({ reason: "key" }, source);
  for (let i = 0; i < 9; i++) log.refused({ reason: "key" }, r2);
  time.pass(60_000);
  const all = { reasons: "265 key", count: 265 };
  assert.deepEqual(said[1].values, { ...all, source: "10.0.0.0", sourceCount: 1 });
  for (const source of [...sources, sources[7], r2, r2, sources[7], r2]) {
    log.refused({ reason: "key" }, source);
  }
  time.pass(60_000);
  assert.deepEqual([said[2].values.source, said[2].values.sourceCount], ["10.0.0.7", 3]);
});

Deno.test("RefusalLog says the rest when it is closed and leaves no timer", () => {
  const { time, said, log } = start();
  for (let i = 0; i < 3; i++) log.refused({ reason: "type" }, r1);
  log.close();
  assert.deepEqual(said.map(({ values }) => values.count), [1, 2]);
  assert.equal(time.timers, 0);
});
