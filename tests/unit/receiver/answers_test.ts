import assert from "node:assert/strict";
import { foundWithout, NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import {
  Acknowledger,
  LookUps,
  type ReceivedRequest,
  Reporter,
} from "../../../lib/receiver/answers.ts";
import { Counters } from "../../../lib/receiver/counters.ts";
import { type AddressPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { emptyCache } from "../../support/empty_cache.ts";
import { createRequest } from "../../support/datagrams.ts";
import { createTestTime, settle } from "../../support/test_time.ts";
import { keepReport, manyAddresses } from "./harness.ts";

const to = { transport: "udp", hostname: "192.0.2.1", port: 5, local: "0.0.0.0" } as const;
const encode = () => new Uint8Array(3);

function startAcknowledger(random = () => 0.5, fail = false) {
  const time = createTestTime();
  const begin = time.monotonic();
  const kept = keepReport();
  const counters = new Counters();
  const sent: number[] = [];
  const send = () => {
    if (fail) return Promise.reject(new Error("Network is unreachable"));
    sent.push(time.monotonic() - begin);
    return Promise.resolve();
  };
  const parts = { time, random, report: kept.report, counters };
  const acknowledger = new Acknowledger(parts, send);
  return { time, counters, sent, acknowledger, ...kept };
}

Deno.test("Acknowledger sends at once without a spread, else at a random time in it", () => {
  const values = [0, 0.25, 0.999];
  const { time, sent, acknowledger } = startAcknowledger(() => values.shift() ?? 0);
  acknowledger.acknowledge(to, 0, encode);
  assert.deepEqual(sent, [0]);
  for (let i = 0; i < 3; i++) acknowledger.acknowledge(to, 1_000, encode);
  time.pass(1_000);
  assert.deepEqual(sent, [0, 0, 250, 999]);
});

Deno.test("Acknowledger drops and counts acks over 4,096 delayed ones", () => {
  const { time, counters, sent, acknowledger } = startAcknowledger();
  for (let i = 0; i < 5_000; i++) acknowledger.acknowledge(to, 1_000, encode);
  assert.equal(counters.counted.acksDropped, 5_000 - 4_096);
  time.pass(1_000);
  assert.equal(sent.length, 4_096);
  acknowledger.acknowledge(to, 1_000, encode);
  assert.equal(counters.counted.acksDropped, 5_000 - 4_096);
});

Deno.test("Acknowledger survives acks that can't be made or sent and says so once", async () => {
  const { counters, acknowledger, saidOf } = startAcknowledger(Math.random, true);
  for (let i = 0; i < 10; i++) acknowledger.acknowledge(to, 0, encode);
  await acknowledger.finish();
  acknowledger.acknowledge(to, 0, () => {
    throw new RangeError("Cannot encode an ack");
  });
  await acknowledger.finish();
  await Promise.resolve();
  assert.equal(counters.counted.acksFailed, 11);
  assert.deepEqual(saidOf("ackFailed").map(({ values }) => values), [
    { destination: "192.0.2.1 port 5", error: "Network is unreachable" },
  ]);
});

/** Look-ups over a cache whose looks end when the test says so. */
function startLookUps() {
  const kept = keepReport();
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const cache = {
    ...emptyCache,
    look(addresses: readonly { bytes: Uint8Array }[]) {
      const name = String(addresses[0].bytes[3]);
      begun.push(name);
      return new Promise<never[]>((resolve, reject) =>
        ends.set(name, (error) => error === undefined ? resolve([]) : reject(error))
      );
    },
  };
  const parts = { cache, report: kept.report, time: createTestTime() };
  const lookUps = new LookUps(parts, new Reporter(parts));
  return {
    ...kept,
    begun,
    /** Looks at the address 192.0.2.`number`. */
    look(number: number) {
      const asked = { report: true, addresses: [parsePrefix(`192.0.2.${number}`)] };
      const received: ReceivedRequest = {
        request: createRequest(asked),
        source: parsePrefix("192.0.2.1"),
        who: "r1",
      };
      return lookUps.look(received);
    },
    async end(number: number, error?: Error) {
      ends.get(String(number))?.(error);
      await settle();
    },
  };
}

Deno.test("LookUps run four at once, then those that wait, in order", async () => {
  const { begun, look, end } = startLookUps();
  const results = [1, 2, 3, 4, 5, 6].map(look);
  await settle();
  assert.deepEqual(begun, ["1", "2", "3", "4"]);
  await end(2);
  assert.deepEqual(begun.slice(4), ["5"]);
  assert.equal((await results[1]).status, "alive");
  for (const number of [1, 3, 4, 5, 6]) await end(number);
  await Promise.all(results);
  assert.deepEqual(begun.slice(4), ["5", "6"]);
});

Deno.test("LookUps share one that waits, not one that runs", async () => {
  const { begun, look, end } = startLookUps();
  const results = [1, 2, 3, 4, 5, 5, 1].map(look);
  await settle();
  for (const number of [1, 2, 3, 4, 5]) await end(number);
  await end(1);
  await Promise.all(results);
  assert.deepEqual(begun, ["1", "2", "3", "4", "5", "1"]);
});

Deno.test("LookUps leave out what is over 64 that wait, say so once, and go on after a failure", async () => {
  const { begun, look, end, saidOf } = startLookUps();
  const results = Array.from({ length: 4 + 64 }, (_, i) => look(i));
  for (const number of [100, 101]) {
    const { status, reports } = await look(number);
    assert.deepEqual([status, reports[0].state, reports[0].gateway], ["alive", "unknown", false]);
  }
  assert.deepEqual(saidOf("lookOverload").map(({ values }) => values), [{ who: "r1" }]);
  await settle();
  await end(0, new NeighborCacheError("ip hangs", 110));
  const { status, error } = await results[0];
  assert.deepEqual([status, error], ["failed", 110]);
  assert.equal(begun.length, 5);
  for (let number = 1; number < 68; number++) await end(number);
  await Promise.all(results);
  assert.equal(begun.length, 68);
});

const silent = foundWithout("no neighbor");

function startReporter(nextHops: () => Promise<AddressPrefix[]> = () => Promise.resolve([])) {
  const time = createTestTime();
  const kept = keepReport();
  let readings = 0;
  const cache = { ...emptyCache, nextHops: () => (readings++, nextHops()) };
  const reporter = new Reporter({ cache, report: kept.report, time });
  return { ...kept, time, reporter, readings: () => readings };
}

Deno.test("Reporter marks what a flush removed within 10 minutes, for flushes alone", async () => {
  const { reporter, time } = startReporter();
  const [one, two, prefix] = [
    parsePrefix("192.0.2.1"),
    parsePrefix("192.0.2.2"),
    parsePrefix("192.0.0.0/8"),
  ];
  reporter.removed([one, parsePrefix("192.0.0.0")]);
  const cachedOf = async (afterFlush: boolean) =>
    (await reporter.reports([one, two, prefix], [silent, silent, silent], afterFlush))
      .map(({ cached }) => cached);
  assert.deepEqual(await cachedOf(true), [true, false, false]);
  assert.deepEqual(await cachedOf(false), [false, false, false]);
  time.pass(599_999);
  assert.deepEqual(await cachedOf(true), [true, false, false]);
  time.pass(1);
  assert.deepEqual(await cachedOf(true), [false, false, false]);
});

Deno.test("Reporter remembers the last 4,096 addresses that were removed", async () => {
  const { reporter } = startReporter();
  const many = manyAddresses(4_096);
  reporter.removed(many);
  reporter.removed([many[0]]);
  reporter.removed([parsePrefix("192.0.2.1")]);
  const reports = await reporter.reports(many, many.map(() => silent), true);
  assert.deepEqual(reports.map(({ cached }) => cached), many.map((_, i) => i !== 1));
});

Deno.test("Reporter marks what a route goes through, and reads the routes once a second", async () => {
  const { reporter, time, readings } = startReporter(() =>
    Promise.resolve([parsePrefix("192.0.2.1"), parsePrefix("fe80::1")])
  );
  const asked = ["192.0.2.1", "192.0.2.2", "fe80::1"].map(parsePrefix);
  const gatewaysOf = async () =>
    (await reporter.reports(asked, asked.map(() => silent), true)).map(({ gateway }) => gateway);
  for (let i = 0; i < 10; i++) assert.deepEqual(await gatewaysOf(), [true, false, true]);
  assert.equal(readings(), 1);
  time.pass(1_000);
  await gatewaysOf();
  assert.equal(readings(), 2);
});

Deno.test("Reporter calls silence unknown while the routes can't be read, and reads them again", async () => {
  const { reporter, readings, saidOf } = startReporter(() =>
    Promise.reject(new NeighborCacheError("ip hangs", 110))
  );
  const report = () => reporter.reports([parsePrefix("192.0.2.1")], [silent], true);
  const [unknown] = await report();
  assert.deepEqual([unknown.state, unknown.gateway], ["unknown", false]);
  const apart = [foundWithout("not concerned")];
  const [other] = await reporter.reports([parsePrefix("192.0.2.1")], apart, true);
  assert.equal(other.state, "not concerned");
  reporter.removed([parsePrefix("192.0.2.1")]);
  const [needed] = await report();
  assert.deepEqual([needed.state, needed.cached], ["no neighbor", true]);
  assert.equal(readings(), 3);
  assert.deepEqual(saidOf("lookFailed").map(({ values }) => values), [
    { who: "this host's routes", error: "ip hangs" },
  ]);
});
