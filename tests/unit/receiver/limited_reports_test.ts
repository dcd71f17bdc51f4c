import assert from "node:assert/strict";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createLimitedReport, RefusalLog } from "../../../lib/receiver/limited_reports.ts";
import { createTestTime } from "../../support/test_time.ts";
import { keepReport } from "./harness.ts";

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

Deno.test("RefusalLog says the first refusal at once and sums up a minute's others", () => {
  const { time, said, log } = start();
  log.refused({ reason: "filter" }, r1);
  assert.deepEqual(said, [{
    event: "refused",
    values: { count: 1, reasons: "1 filter", source: "192.0.2.1", sourceCount: 1 },
  }]);
  log.refused({ reason: "filter" }, r1);
  for (let i = 0; i < 5; i++) log.refused({ reason: "length" }, r2);
  time.pass(59_999);
  assert.equal(said.length, 1);
  time.pass(1);
  assert.deepEqual(said[1].values, {
    count: 6,
    reasons: "5 length, 1 filter",
    source: "192.0.2.2",
    sourceCount: 5,
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

Deno.test("RefusalLog counts all of a thousand sources and names the one that sent most", () => {
  const { time, said, log } = start();
  log.refused({ reason: "key" }, r1);
  for (let i = 0; i < 1_000; i++) {
    log.refused({ reason: "key" }, r2);
    log.refused({ reason: "key" }, parsePrefix(`10.0.${i >> 8}.${i & 255}`));
  }
  time.pass(60_000);
  assert.equal(said[1].values.count, 2_000);
  assert.deepEqual([said[1].values.source, said[1].values.sourceCount], ["192.0.2.2", 1_000]);
});

Deno.test("RefusalLog names reasons and sources in the order of their counts", () => {
  const { time, said, log } = start();
  log.refused({ reason: "key" }, r1);
  log.refused({ reason: "length" }, r1);
  for (let i = 0; i < 3; i++) log.refused({ reason: "filter" }, r1);
  for (let i = 0; i < 5; i++) log.refused({ reason: "filter" }, r2);
  time.pass(60_000);
  const { reasons, source, sourceCount } = said[1].values;
  assert.deepEqual([reasons, source, sourceCount], ["8 filter, 1 length", "192.0.2.2", 5]);
});

Deno.test("RefusalLog counts 256 sources by name and goes on counting them when there are more", () => {
  const { time, said, log } = start();
  log.refused({ reason: "key" }, r1);
  const sources = Array.from({ length: 256 }, (_, i) => parsePrefix(`10.0.0.${i}`));
  for (const source of sources) log.refused({ reason: "key" }, source);
  for (let i = 0; i < 9; i++) log.refused({ reason: "key" }, r2);
  for (let i = 0; i < 2; i++) log.refused({ reason: "key" }, sources[7]);
  time.pass(60_000);
  const { count, source, sourceCount } = said[1].values;
  assert.deepEqual([count, source, sourceCount], [256 + 9 + 2, "10.0.0.7", 3]);
});

Deno.test("RefusalLog says the rest when it is closed and leaves no timer", () => {
  const { time, said, log } = start();
  for (let i = 0; i < 3; i++) log.refused({ reason: "type" }, r1);
  log.close();
  assert.deepEqual(said.map(({ values }) => values.count), [1, 2]);
  assert.equal(time.timers, 0);
});

Deno.test("RefusalLog names none of the sources over 256, and counts what they sent", () => {
  const { time, said, log } = start();
  log.refused({ reason: "key" }, r1);
  for (let i = 0; i < 256; i++) log.refused({ reason: "key" }, parsePrefix(`10.0.0.${i}`));
  for (let i = 0; i < 10; i++) log.refused({ reason: "key" }, r2);
  time.pass(60_000);
  const { count, source, sourceCount } = said[1].values;
  assert.deepEqual([count, source, sourceCount], [266, "10.0.0.0", 1]);
});
