import assert from "node:assert/strict";
import { createAcknowledger } from "../../../lib/receiver/answers.ts";
import { createCounters } from "../../../lib/receiver/counters.ts";
import { keepReport, testTime } from "./helpers.ts";

const to = { transport: "udp", hostname: "192.0.2.1", port: 5 } as const;
const encode = () => new Uint8Array(3);

function start(random = () => 0.5, fail = false) {
  const time = testTime();
  const begin = time.clock.monotonic();
  const kept = keepReport();
  const counters = createCounters();
  const sent: number[] = [];
  const acknowledger = createAcknowledger({
    send() {
      if (fail) return Promise.reject(new Error("Network is unreachable"));
      sent.push(time.clock.monotonic() - begin);
      return Promise.resolve();
    },
    after: time.after,
    random,
    now: time.clock.monotonic,
    report: kept.report,
    counters,
  });
  return { time, counters, sent, acknowledger, ...kept };
}

Deno.test("createAcknowledger() sends at once without a spread, else at a random time in it", () => {
  const values = [0, 0.25, 0.999];
  const { time, sent, acknowledger } = start(() => values.shift() ?? 0);
  acknowledger.acknowledge(to, 0, encode);
  assert.deepEqual(sent, [0]);
  for (let i = 0; i < 3; i++) acknowledger.acknowledge(to, 1_000, encode);
  time.pass(1_000);
  assert.deepEqual(sent, [0, 0, 250, 999]);
});

Deno.test("createAcknowledger() makes the ack when it is sent, not before", () => {
  const { time, acknowledger } = start();
  let made = 0;
  acknowledger.acknowledge(to, 1_000, () => (made++, new Uint8Array(1)));
  assert.equal(made, 0);
  time.pass(500);
  assert.equal(made, 1);
});

Deno.test("createAcknowledger() sends at once what waits when hurried, once", async () => {
  const { time, sent, acknowledger } = start();
  for (let i = 0; i < 3; i++) acknowledger.acknowledge(to, 60_000, encode);
  await acknowledger.hurry();
  assert.deepEqual(sent, [0, 0, 0]);
  time.pass(60_000);
  assert.equal(sent.length, 3);
  assert.equal(time.timers, 0);
});

Deno.test("createAcknowledger() drops and counts acks over 4,096 delayed ones", () => {
  const { time, counters, sent, acknowledger } = start();
  for (let i = 0; i < 5_000; i++) acknowledger.acknowledge(to, 1_000, encode);
  assert.equal(counters.counted.acksDropped, 5_000 - 4_096);
  time.pass(1_000);
  assert.equal(sent.length, 4_096);
  acknowledger.acknowledge(to, 1_000, encode);
  assert.equal(counters.counted.acksDropped, 5_000 - 4_096);
});

Deno.test("createAcknowledger() survives acks that can't be made or sent and says so once", async () => {
  const { counters, acknowledger, saidOf } = start(Math.random, true);
  for (let i = 0; i < 10; i++) acknowledger.acknowledge(to, 0, encode);
  await acknowledger.hurry();
  acknowledger.acknowledge(to, 0, () => {
    throw new RangeError("Cannot encode an ack");
  });
  await acknowledger.hurry();
  await Promise.resolve();
  assert.equal(counters.counted.acksFailed, 11);
  assert.deepEqual(saidOf("ackFailed").map(({ values }) => values), [
    { destination: "192.0.2.1 port 5", error: "Network is unreachable" },
  ]);
});
