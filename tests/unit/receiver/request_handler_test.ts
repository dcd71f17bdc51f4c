/** What the receiver does for authentic requests, with time in the test's hand. */
import assert from "node:assert/strict";
import { createMemoryCache } from "../../../lib/neighbors/memory.ts";
import { NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { createAcknowledger, createLookUps } from "../../../lib/receiver/answers.ts";
import { createCounters } from "../../../lib/receiver/counters.ts";
import { createRequestHandler } from "../../../lib/receiver/receiver.ts";
import { acksMost, createReplayWindow } from "../../../lib/receiver/replay_window.ts";
import { readClock } from "../../../lib/time.ts";
import type { NeighborReport } from "../../../lib/wire/ack.ts";
import { createKeyring } from "../../../lib/wire/keys.ts";
import { createLegacyCheck } from "../../../lib/wire/legacy.ts";
import { acksTo, notingCache, r1, r2, settle, startHarness } from "./harness.ts";
import { address, keepReport, key, otherKey, request, signed, testTime } from "./helpers.ts";

const start = 1_700_000_000_000;
const fresh = { created: start } as const;

Deno.test("startReceiver() acknowledges a copy again with the stored outcome and a new clock", async () => {
  const { deliver, pass, sent, flushes, receiver } = startHarness();
  const bytes = signed(fresh);
  await deliver(bytes);
  await pass(1_000);
  await deliver(bytes);
  assert.equal(flushes.length, 1);
  const acks = acksTo(bytes, sent);
  assert.deepEqual(acks.map(({ status, entries }) => [status, entries]), [
    ["flushed", 1],
    ["flushed", 1],
  ]);
  assert.deepEqual(acks.map(({ clock }) => clock), [start, start + 1_000]);
  assert.equal(receiver.counters.counted.repeated, 1);
});

Deno.test("startReceiver() acknowledges one request id at most 8 times", async () => {
  const { deliver, sent, flushes } = startHarness();
  const bytes = signed(fresh);
  for (let i = 0; i < 20; i++) await deliver(bytes);
  assert.equal(sent.length, 8);
  assert.equal(flushes.length, 1);
});

Deno.test("startReceiver() acknowledges a failing request at most 8 times too", async () => {
  const { deliver, sent, fail } = startHarness({}, { holdDownMs: 0 });
  fail(new NeighborCacheError("Not permitted", 1));
  const bytes = signed(fresh);
  for (let i = 0; i < 20; i++) await deliver(bytes);
  assert.equal(sent.length, 8);
});

Deno.test("startReceiver() sends no ack that nobody asked for", async () => {
  const { deliver, sent, flushes } = startHarness();
  const bytes = signed({ ...fresh, acknowledge: false });
  await deliver(bytes);
  await deliver(bytes);
  await deliver(signed({ created: 5, acknowledge: false }));
  assert.equal(flushes.length, 1);
  assert.equal(sent.length, 0);
});

Deno.test("startReceiver() acknowledges when the flush has ended, not before, copies once", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { cache } = notingCache({
    async flush() {
      await promise;
      return { removed: 7, micros: 5, notes: [] };
    },
  });
  const { deliver, sent } = startHarness({ cache });
  const bytes = signed(fresh);
  for (let i = 0; i < 3; i++) await deliver(bytes);
  assert.equal(sent.length, 0);
  resolve();
  await settle();
  assert.deepEqual(acksTo(bytes, sent).map(({ entries }) => entries), [7]);
  assert.deepEqual(sent[0].to, r1);
});

Deno.test("startReceiver() acknowledges a pending request to every source its copies came from", async () => {
  const { deliver, pass, sent, flushes } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const bytes = signed(fresh);
  const sources = [r1, r2, { ...r1, port: 9 }, { ...r2, port: r1.port }];
  for (const from of [...sources, r1]) await deliver(bytes, from);
  assert.equal(flushes.length, 3);
  assert.equal(sent.length, 0);
  await pass(10_000);
  assert.equal(flushes.length, 4);
  assert.deepEqual(sent.map(({ to }) => to), sources);
  assert.deepEqual(acksTo(bytes, sent).map(({ status }) => status), Array(4).fill("flushed"));
});

Deno.test("startReceiver() bounds the sources that wait for one request", async () => {
  const { deliver, pass, sent } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const bytes = signed(fresh);
  for (let port = 1; port <= 100; port++) await deliver(bytes, { ...r1, port });
  await pass(10_000);
  assert.equal(sent.length, 8);
});

Deno.test("createRequestHandler() keeps no more sources of one request than it may acknowledge", () => {
  const { clock, after } = testTime(start);
  const { report } = keepReport();
  const counters = createCounters();
  const window = createReplayWindow(start);
  const send = () => Promise.reject(new Error("Nothing is to be sent"));
  const handle = createRequestHandler({
    window,
    flusher: { request() {}, setHoldDown() {}, finish: () => Promise.resolve() },
    lookUps: createLookUps(createMemoryCache(), report, clock.monotonic),
    acknowledger: createAcknowledger({
      send,
      after,
      random: () => 0,
      now: clock.monotonic,
      report,
      counters,
    }),
    report,
    counters,
    clock,
    hostName: "host1",
  });
  const asked = request(fresh);
  const mac = new Uint8Array(16);
  const seen = window.remember(asked, mac, readClock(clock), 60_000);
  const source = address("192.0.2.1");
  handle({ kind: "accepted", request: asked, key, seen, remembered: true }, r1, source);
  for (let port = 1; port <= 100; port++) {
    handle({ kind: "repeat", key, seen }, { ...r1, port }, source);
  }
  assert.equal(seen.waiting.length, acksMost);
});

Deno.test("startReceiver() calls a sender without a name unnamed in the log", async () => {
  const { deliver, saidOf } = startHarness();
  await deliver(signed({ ...fresh, sender: "" }));
  assert.equal(saidOf("accepted")[0].values.who, `unnamed (192.0.2.1, key ${key.idText})`);
});

Deno.test("startReceiver() merges requests within the hold-down and acknowledges each", async () => {
  const { deliver, pass, sent, flushes, saidOf } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed(fresh));
  const listed = ["192.0.2.101", "192.0.2.102"].map((text) =>
    signed({ ...fresh, action: "flush listed", addresses: [address(text)] })
  );
  await deliver(listed[0], r1);
  await deliver(listed[1], r2);
  assert.equal(sent.length, 3);
  await pass(10_000);
  assert.deepEqual(flushes.slice(3), [[address("192.0.2.101"), address("192.0.2.102")]]);
  assert.equal(acksTo(listed[0], [sent[3]])[0].status, "flushed");
  assert.equal(acksTo(listed[1], [sent[4]])[0].status, "flushed");
  assert.deepEqual([sent[3].to, sent[4].to], [r1, r2]);
  assert.deepEqual(saidOf("flushed")[3].values, {
    scope: "192.0.2.101, 192.0.2.102",
    who: `r1 (192.0.2.1, key ${key.idText}), r1 (192.0.2.2, key ${key.idText})`,
    removed: 4,
    milliseconds: 1,
  });
});

Deno.test("startReceiver() delays acks by its share of the spread, repeated ones too", async () => {
  const { deliver, pass, sent } = startHarness();
  const bytes = signed({ ...fresh, ackSpreadMs: 1_000 });
  await deliver(bytes);
  await pass(499);
  assert.equal(sent.length, 0);
  await pass(1);
  await deliver(bytes);
  await pass(500);
  assert.deepEqual(sent.map(({ at }) => at), [500, 1_000]);
  assert.deepEqual(acksTo(bytes, sent).map(({ clock }) => clock), [start + 500, start + 1_000]);
});

Deno.test("startReceiver() answers stale with its clock, at most twice a second, and flushes nothing", async () => {
  const { deliver, pass, sent, flushes, saidOf, receiver } = startHarness();
  const bytes = signed({ created: start - 600_000 });
  for (let i = 0; i < 5; i++) await deliver(bytes);
  assert.equal(sent.length, 2);
  await pass(999);
  await deliver(bytes);
  assert.equal(sent.length, 2);
  await pass(1);
  for (let i = 0; i < 5; i++) await deliver(bytes);
  assert.equal(sent.length, 4);
  const acks = acksTo(bytes, sent);
  assert.deepEqual(acks.map(({ status }) => status), Array(4).fill("stale"));
  assert.deepEqual(acks.map(({ clock }) => clock - start), [0, 0, 1_000, 1_000]);
  assert.equal(flushes.length, 0);
  assert.equal(receiver.counters.counted.stale, 11);
  assert.deepEqual(saidOf("clockOffset").map(({ values }) => values.seconds), [-600]);
});

Deno.test("startReceiver() flushes for a request corrected by the stale ack's clock", async () => {
  const { deliver, sent, flushes } = startHarness();
  const bytes = signed({ created: start + 600_000 });
  await deliver(bytes);
  const [{ clock }] = acksTo(bytes, sent);
  await deliver(signed({ created: clock }));
  assert.equal(flushes.length, 1);
});

Deno.test("startReceiver() answers a stale request with a clock that is right after the spread", async () => {
  const { deliver, pass, sent } = startHarness();
  const bytes = signed({ created: 5, ackSpreadMs: 2_000 });
  await deliver(bytes);
  await pass(1_000);
  assert.deepEqual(acksTo(bytes, sent).map(({ clock }) => clock), [start + 1_000]);
});

Deno.test("startReceiver() reports as asked, and on nothing where the flush failed", async () => {
  const reports: NeighborReport[] = [
    { state: "neighbor", linkLayerAddress: Uint8Array.of(2, 0, 0, 0, 0, 1) },
    { state: "no neighbor", linkLayerAddress: new Uint8Array(6) },
  ];
  const asked: unknown[] = [];
  const { cache } = notingCache({
    resolve(addresses, source) {
      asked.push([addresses, source]);
      return Promise.resolve(reports);
    },
  });
  const { deliver, sent } = startHarness({ cache });
  const addresses = [address("192.0.2.101"), address("2001:db8::1")];
  const bytes = signed({ ...fresh, report: true, addresses });
  await deliver(bytes);
  assert.deepEqual(acksTo(bytes, sent, 2)[0].reports, reports);
  assert.deepEqual(asked, [[addresses, address(r1.hostname)]]);

  const failing = startHarness();
  failing.fail(new NeighborCacheError("Not permitted", 1));
  await failing.deliver(bytes);
  const [ack] = acksTo(bytes, failing.sent, 2);
  assert.deepEqual([ack.status, ack.error, ack.reports], ["failed", 1, []]);
});

Deno.test("startReceiver() reports not looked at when the resolution fails after a good flush", async () => {
  const { cache } = notingCache({
    resolve: () => Promise.reject(new NeighborCacheError("ip hangs", 110)),
  });
  const { deliver, sent, saidOf } = startHarness({ cache });
  const bytes = signed({ ...fresh, report: true, addresses: [address("192.0.2.101")] });
  await deliver(bytes);
  const [ack] = acksTo(bytes, sent, 1);
  assert.deepEqual([ack.status, ack.reports[0].state], ["flushed", "not looked at"]);
  assert.equal(saidOf("lookFailed")[0].values.error, "ip hangs");
});

Deno.test("startReceiver() answers a probe without a flush, and a failing one with its error", async () => {
  const { deliver, sent, flushes, receiver } = startHarness();
  const bytes = signed({ ...fresh, action: "probe" });
  await deliver(bytes);
  assert.deepEqual(acksTo(bytes, sent).map(({ status, entries }) => [status, entries]), [[
    "alive",
    0,
  ]]);
  assert.equal(flushes.length, 0);
  assert.equal(receiver.counters.counted.flushes, 0);

  const { cache } = notingCache({
    list: () => Promise.reject(new NeighborCacheError("no ip", 2)),
  });
  const failing = startHarness({ cache });
  await failing.deliver(bytes);
  assert.deepEqual(acksTo(bytes, failing.sent).map(({ status, error }) => [status, error]), [[
    "failed",
    2,
  ]]);
});

Deno.test("startReceiver() turns what is no cache error into EIO and lives on", async () => {
  const { deliver, sent, fail, flushes } = startHarness();
  fail(new TypeError("undefined is not a function"));
  const bytes = signed(fresh);
  await deliver(bytes);
  assert.deepEqual(acksTo(bytes, sent).map(({ status, error }) => [status, error]), [[
    "failed",
    5,
  ]]);
  fail(null);
  await deliver(bytes);
  assert.equal(acksTo(bytes, sent)[1].status, "flushed");
  assert.equal(flushes.length, 2);
});

Deno.test("startReceiver() says what a flush did, its notes and its failures", async () => {
  const { cache } = notingCache({
    flush: () => Promise.resolve({ removed: 3, micros: 1_449, notes: ["192.0.2.5 was put back"] }),
  });
  const { deliver, saidOf } = startHarness({ cache });
  await deliver(signed({ ...fresh, sender: "evil\n\u001b[31m" }));
  assert.deepEqual(saidOf("flushed")[0].values, {
    scope: "all",
    who: `evil??[31m (192.0.2.1, key ${key.idText})`,
    removed: 3,
    milliseconds: 1.4,
  });
  assert.deepEqual(saidOf("flushNote").map(({ values }) => values.note), [
    "192.0.2.5 was put back",
  ]);
});

Deno.test("startReceiver() flushes once for the copies of a legacy datagram and answers none", async () => {
  const { deliver, pass, sent, flushes, saidOf, receiver } = startHarness({}, {
    isLegacy: createLegacyCheck("TopSecret!"),
  });
  const bytes = new TextEncoder().encode("TopSecret!");
  for (let i = 0; i < 5; i++) {
    await deliver(bytes);
    await pass(999);
  }
  assert.equal(flushes.length, 1);
  await pass(5);
  await deliver(bytes);
  await deliver(bytes, r2);
  assert.deepEqual(flushes, ["all", "all", "all"]);
  assert.equal(sent.length, 0);
  assert.equal(receiver.counters.counted.legacyCopies, 4);
  assert.equal(saidOf("flushed")[0].values.who, "a legacy client (192.0.2.1)");
});

Deno.test("startReceiver() flushes for more requests than it can remember, for none of them twice", async () => {
  const { deliver, pass, flushes, saidOf, receiver } = startHarness();
  const copies: Uint8Array[] = [];
  for (let i = 0; i < 4_100; i++) {
    const bytes = signed({ created: start + (i < 4_096 ? 0 : i), acknowledge: false });
    if (i >= 4_090) copies.push(bytes);
    await deliver(bytes);
  }
  assert.equal(receiver.counters.counted.accepted, 4_100);
  assert.equal(receiver.counters.counted.unremembered, 4);
  assert.deepEqual(saidOf("replayWindowFull").map(({ values }) => values.capacity), [4_096]);
  await pass(10_000);
  assert.equal(flushes.length, 4);
  for (const bytes of copies) await deliver(bytes);
  await pass(10_000);
  assert.equal(flushes.length, 4);
  // The next genuine one gets through although the window is full.
  await deliver(signed({ created: start + 20_000 }));
  assert.equal(flushes.length, 5);
});

Deno.test("startReceiver() counts and logs an authentic request that is broken, apart from the others", async () => {
  const { deliver, sent, said, receiver } = startHarness();
  const id = new Uint8Array(16).fill(7);
  await deliver(signed({ ...fresh, id, acknowledge: false }));
  await deliver(signed({ ...fresh, id, sender: "r2" }));
  await deliver(signed(fresh, otherKey));
  assert.equal(receiver.counters.refused["id reused"], 1);
  assert.equal(receiver.counters.refused.key, 1);
  assert.equal(sent.length, 0);
  assert.deepEqual(said.find(({ event }) => event === "brokenRequest")?.values, {
    key: key.idText,
    source: "192.0.2.1",
    reason: "id reused",
  });
});

Deno.test("startReceiver() stopped does the pending flush, sends what waits, hears nothing more", async () => {
  const { deliver, sent, flushes, receiver, time, isClosed } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, ackSpreadMs: 60_000 }));
  const bytes = signed(fresh);
  await deliver(bytes);
  assert.deepEqual([flushes.length, sent.length], [3, 0]);
  await receiver.stop();
  assert.deepEqual([flushes.length, sent.length], [4, 4]);
  assert.equal(isClosed(), true);
  await deliver(signed(fresh));
  await settle();
  assert.equal(flushes.length, 4);
  assert.equal(time.timers, 0);
});

Deno.test("startReceiver() hears nothing more while it waits for the last flush", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { cache } = notingCache({
    async flush() {
      await promise;
      return { removed: 1, micros: 1, notes: [] };
    },
  });
  const { deliver, receiver } = startHarness({ cache });
  await deliver(signed(fresh));
  const stopped = receiver.stop();
  await deliver(signed(fresh));
  await deliver(new Uint8Array(1));
  resolve();
  await stopped;
  assert.equal(receiver.counters.counted.accepted, 1);
  assert.equal(receiver.counters.refused.length, 0);
});

Deno.test("startReceiver() looks at nothing whose source it can't read", async () => {
  const { deliver, receiver, sent, flushes } = startHarness();
  await deliver(signed(fresh), { ...r1, hostname: "router1" });
  await deliver(new Uint8Array(1), { ...r1, hostname: "" });
  assert.deepEqual([sent.length, flushes.length, receiver.counters.counted.accepted], [0, 0, 0]);
  assert.equal(receiver.counters.refused.length, 0);
  await deliver(signed(fresh));
  assert.equal(flushes.length, 1);
});

Deno.test("startReceiver() keeps its socket when new rules leave it where it is", async () => {
  const { deliver, receiver, isClosed, flushes } = startHarness();
  const place = { address: "0.0.0.0", port: 27_735, holdDownMs: 10_000, toleranceMs: 60_000 };
  const ring = createKeyring([otherKey]);
  await receiver.configure({ ...place, isAllowed: () => true, keyring: ring, isLegacy: null });
  assert.equal(isClosed(), false);
  await deliver(signed(fresh));
  assert.equal(flushes.length, 0);
  await deliver(signed(fresh, otherKey));
  assert.equal(flushes.length, 1);
});

Deno.test("startReceiver() stopped waits for the report of the last flush", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { cache } = notingCache({
    async resolve() {
      await promise;
      return [{ state: "no neighbor", linkLayerAddress: new Uint8Array(6) }];
    },
  });
  const { deliver, sent, receiver } = startHarness({ cache });
  const bytes = signed({ ...fresh, report: true, addresses: [address("192.0.2.101")] });
  await deliver(bytes);
  const stopped = receiver.stop();
  resolve();
  await stopped;
  assert.equal(acksTo(bytes, sent, 1)[0].reports[0].state, "no neighbor");
});
