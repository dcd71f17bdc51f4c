/** One request from datagram to ack: time advanced by the test, and over real sockets on loopback. */
import assert from "node:assert/strict";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createMemoryCache } from "../../../lib/neighbors/memory.ts";
import { NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { allowNetworks } from "../../../lib/receiver/accept.ts";
import { type OpenSocket, openUdpSocket } from "../../../lib/receiver/datagram_loop.ts";
import {
  Receiver,
  type ReceiverParts,
  type ReceiverRules,
} from "../../../lib/receiver/receiver.ts";
import { systemTime } from "../../../lib/time.ts";
import { decodeAck, type FlushAck, type NeighborReport } from "../../../lib/wire/ack.ts";
import { createKeyring } from "../../../lib/wire/keys.ts";
import { createLegacyCheck } from "../../../lib/wire/legacy.ts";
import { encodeRequest, requestMacOf } from "../../../lib/wire/request.ts";
import { createRequest } from "../../support/datagrams.ts";
import { settle } from "../../support/test_time.ts";
import {
  acksTo,
  keepReport,
  key,
  notingCache,
  otherKey,
  r1,
  r2,
  signed,
  startHarness,
  testRules,
} from "./harness.ts";

const start = 1_700_000_000_000;
const fresh = { created: start } as const;

Deno.test("Receiver acknowledges a copy again with the stored outcome and a new clock", async () => {
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

Deno.test("Receiver acknowledges one request id at most 8 times", async () => {
  const { deliver, sent, flushes } = startHarness();
  const bytes = signed(fresh);
  for (let i = 0; i < 20; i++) await deliver(bytes);
  assert.equal(sent.length, 8);
  assert.equal(flushes.length, 1);
});

Deno.test("Receiver acknowledges a failing request at most 8 times too", async () => {
  const { deliver, sent, fail } = startHarness({}, { holdDownMs: 0 });
  fail(new NeighborCacheError("Not permitted", 1));
  const bytes = signed(fresh);
  for (let i = 0; i < 20; i++) await deliver(bytes);
  assert.equal(sent.length, 8);
});

Deno.test("Receiver sends no ack that nobody asked for", async () => {
  const { deliver, sent, flushes } = startHarness();
  const bytes = signed({ ...fresh, acknowledge: false });
  await deliver(bytes);
  await deliver(bytes);
  await deliver(signed({ created: 5, acknowledge: false }));
  assert.equal(flushes.length, 1);
  assert.equal(sent.length, 0);
});

Deno.test("Receiver acknowledges when the flush has ended, not before, copies once", async () => {
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

Deno.test("Receiver acknowledges a pending request to every source its copies came from", async () => {
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

Deno.test("Receiver bounds the sources that wait for one request", async () => {
  const { deliver, pass, sent } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const bytes = signed(fresh);
  for (let port = 1; port <= 100; port++) await deliver(bytes, { ...r1, port });
  await pass(10_000);
  assert.equal(sent.length, 8);
});

Deno.test("Receiver calls a sender without a name unnamed in the log", async () => {
  const { deliver, saidOf } = startHarness();
  await deliver(signed({ ...fresh, sender: "" }));
  assert.equal(saidOf("accepted")[0].values.who, `unnamed (192.0.2.1, key ${key.idText})`);
});

Deno.test("Receiver merges requests within the hold-down and acknowledges each", async () => {
  const { deliver, pass, sent, flushes, saidOf } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed(fresh));
  const listed = ["192.0.2.101", "192.0.2.102"].map((text) =>
    signed({ ...fresh, action: "flush listed", addresses: [parsePrefix(text)] })
  );
  await deliver(listed[0], r1);
  await deliver(listed[1], r2);
  assert.equal(sent.length, 3);
  await pass(10_000);
  assert.deepEqual(flushes.slice(3), [[parsePrefix("192.0.2.101"), parsePrefix("192.0.2.102")]]);
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

Deno.test("Receiver delays acks by its share of the spread, repeated ones too", async () => {
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

Deno.test("Receiver answers stale with its clock, at most twice a second, and flushes nothing", async () => {
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

Deno.test("Receiver flushes for a request corrected by the stale ack's clock", async () => {
  const { deliver, sent, flushes } = startHarness();
  const bytes = signed({ created: start + 600_000 });
  await deliver(bytes);
  const [{ clock }] = acksTo(bytes, sent);
  await deliver(signed({ created: clock }));
  assert.equal(flushes.length, 1);
});

Deno.test("Receiver answers a stale request with a clock that is right after the spread", async () => {
  const { deliver, pass, sent } = startHarness();
  const bytes = signed({ created: 5, ackSpreadMs: 2_000 });
  await deliver(bytes);
  await pass(1_000);
  assert.deepEqual(acksTo(bytes, sent).map(({ clock }) => clock), [start + 1_000]);
});

Deno.test("Receiver reports as asked, and on nothing where the flush failed", async () => {
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
  const addresses = [parsePrefix("192.0.2.101"), parsePrefix("2001:db8::1")];
  const bytes = signed({ ...fresh, report: true, addresses });
  await deliver(bytes);
  assert.deepEqual(acksTo(bytes, sent, 2)[0].reports, reports);
  assert.deepEqual(asked, [[addresses, parsePrefix(r1.hostname)]]);

  const failing = startHarness();
  failing.fail(new NeighborCacheError("Not permitted", 1));
  await failing.deliver(bytes);
  const [ack] = acksTo(bytes, failing.sent, 2);
  assert.deepEqual([ack.status, ack.error, ack.reports], ["failed", 1, []]);
});

Deno.test("Receiver reports not looked at when the resolution fails after a good flush", async () => {
  const { cache } = notingCache({
    resolve: () => Promise.reject(new NeighborCacheError("ip hangs", 110)),
  });
  const { deliver, sent, saidOf } = startHarness({ cache });
  const bytes = signed({ ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] });
  await deliver(bytes);
  const [ack] = acksTo(bytes, sent, 1);
  assert.deepEqual([ack.status, ack.reports[0].state], ["flushed", "not looked at"]);
  assert.equal(saidOf("lookFailed")[0].values.error, "ip hangs");
});

Deno.test("Receiver answers a probe without a flush, and a failing one with its error", async () => {
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
  assert.deepEqual(failing.saidOf("lookFailed").map(({ values }) => values), [
    { who: `r1 (192.0.2.1, key ${key.idText})`, error: "no ip" },
  ]);
});

Deno.test("Receiver turns what is no cache error into EIO and lives on", async () => {
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

Deno.test("Receiver says what a flush did, its notes and its failures", async () => {
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

Deno.test("Receiver flushes once for the copies of a legacy datagram and answers none", async () => {
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

Deno.test("Receiver flushes for more requests than it can remember, for none of them twice", async () => {
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

Deno.test("Receiver counts and logs an authentic request that is broken, apart from the others", async () => {
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

Deno.test("Receiver stopped does the pending flush, sends what waits, hears nothing more", async () => {
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

Deno.test("Receiver hears nothing more while it waits for the last flush", async () => {
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

Deno.test("Receiver looks at nothing whose source it can't read", async () => {
  const { deliver, receiver, sent, flushes } = startHarness();
  await deliver(signed(fresh), { ...r1, hostname: "router1" });
  await deliver(new Uint8Array(1), { ...r1, hostname: "" });
  assert.deepEqual([sent.length, flushes.length, receiver.counters.counted.accepted], [0, 0, 0]);
  assert.equal(receiver.counters.refused.length, 0);
  await deliver(signed(fresh));
  assert.equal(flushes.length, 1);
});

Deno.test("Receiver keeps its socket when new rules leave it where it is", async () => {
  const { deliver, receiver, isClosed, flushes } = startHarness();
  await receiver.configure({ ...testRules, keyring: createKeyring([otherKey]) });
  assert.equal(isClosed(), false);
  await deliver(signed(fresh));
  assert.equal(flushes.length, 0);
  await deliver(signed(fresh, otherKey));
  assert.equal(flushes.length, 1);
});

Deno.test("Receiver stopped waits for the report of the last flush", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { cache } = notingCache({
    async resolve() {
      await promise;
      return [{ state: "no neighbor", linkLayerAddress: new Uint8Array(6) }];
    },
  });
  const { deliver, sent, receiver } = startHarness({ cache });
  const bytes = signed({ ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] });
  await deliver(bytes);
  const stopped = receiver.stop();
  resolve();
  await stopped;
  assert.equal(acksTo(bytes, sent, 1)[0].reports[0].state, "no neighbor");
});

/** A receiver whose sockets do nothing but note where they were opened. */
function startNoting() {
  const opened: string[] = [];
  const open: OpenSocket = (address, port) => {
    opened.push(`${address} ${port}`);
    return {
      addr: { transport: "udp", hostname: address, port },
      receive: () => new Promise(() => {}),
      send: (bytes) => Promise.resolve(bytes.length),
      close() {},
    };
  };
  return { opened, ...startHarness({ open }, testRules) };
}

Deno.test("Receiver.configure() opens a socket only for another address or port", async () => {
  const { opened, receiver } = startNoting();
  await receiver.configure({ ...testRules, holdDownMs: 5_000 });
  assert.deepEqual(opened, ["0.0.0.0 27735"]);
  await receiver.configure({ ...testRules, port: 27_736 });
  await receiver.configure({ ...testRules, port: 27_736, address: "192.0.2.9" });
  assert.deepEqual(opened, ["0.0.0.0 27735", "0.0.0.0 27736", "192.0.2.9 27736"]);
  assert.deepEqual([receiver.address, receiver.port], ["192.0.2.9", 27_736]);
  await receiver.stop();
});

Deno.test("Receiver.configure() applies each rule from the next datagram on", async () => {
  const { deliver, receiver } = startHarness({}, testRules);
  await receiver.configure({ ...testRules, isAllowed: () => false });
  await deliver(signed(fresh));
  await receiver.configure({ ...testRules, keyring: null });
  await deliver(signed(fresh));
  await receiver.configure({ ...testRules, toleranceMs: 1_000 });
  await deliver(signed({ created: fresh.created - 2_000 }));
  await receiver.configure(testRules);
  await deliver(signed(fresh));
  const { counted, refused } = receiver.counters;
  assert.deepEqual(
    [refused.source, refused.key, counted.stale, counted.accepted],
    [1, 1, 1, 1],
  );
});

Deno.test("Receiver.configure() applies the hold-down to what is pending", async () => {
  const { deliver, pass, flushes, receiver } = startHarness({}, testRules);
  for (let i = 0; i < 4; i++) await deliver(signed(fresh));
  assert.equal(flushes.length, 3);
  await receiver.configure({ ...testRules, holdDownMs: 1_000 });
  await pass(1_000);
  assert.equal(flushes.length, 4);
});

Deno.test("Receiver.configure() leaves no timer when nothing is pending", async () => {
  const { time, receiver } = startHarness({}, testRules);
  await receiver.configure({ ...testRules, holdDownMs: 1_000 });
  assert.equal(time.timers, 0);
});

Deno.test("Receiver.stop() looks at no datagram while it waits for a flush", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let flushes = 0;
  const { cache } = notingCache({
    async flush() {
      flushes++;
      await promise;
      return { removed: 0, micros: 0, notes: [] };
    },
  });
  const { deliver, receiver } = startHarness({ cache }, testRules);
  await deliver(signed(fresh));
  const stopped = receiver.stop();
  await deliver(signed(fresh));
  assert.equal(flushes, 1);
  assert.equal(receiver.counters.counted.accepted, 1);
  resolve();
  await stopped;
});

Deno.test("Receiver ignores a datagram whose source is no address", async () => {
  const { deliver, receiver } = startHarness({}, testRules);
  await deliver(signed(fresh), { ...r1, hostname: "nowhere" });
  await deliver(signed(fresh));
  assert.deepEqual([receiver.counters.counted.accepted, receiver.counters.refused.source], [1, 0]);
  assert.equal(receiver.counters.counted.receiveErrors, 0);
});

Deno.test("Receiver lives on after a fault of its own, and says so once", async () => {
  let broken = true;
  const isAllowed = () => {
    if (broken) throw new TypeError("isAllowed is broken");
    return true;
  };
  const { deliver, receiver, saidOf } = startHarness({}, { ...testRules, isAllowed });
  for (let i = 0; i < 100; i++) await deliver(signed(fresh));
  broken = false;
  await deliver(signed(fresh));
  await settle();
  assert.equal(receiver.counters.counted.accepted, 1);
  assert.equal(receiver.counters.counted.receiveErrors, 100);
  assert.deepEqual(saidOf("receiveFailed").map(({ values }) => values.error), [
    "isAllowed is broken",
  ]);
});

Deno.test("Receiver answers after 1,000 errors of receive, and says so once", async () => {
  // As on Windows: each ack to a closed port makes the next receive fail with 10054.
  const requests = Array.from({ length: 1_001 }, () => signed({ ...fresh, action: "probe" }));
  const acks: Uint8Array[] = [];
  let received = 0;
  let isReset = true;
  const open: OpenSocket = () => ({
    addr: { transport: "udp", hostname: "0.0.0.0", port: 27_735 },
    receive() {
      isReset = !isReset;
      if (isReset) return Promise.reject(new Deno.errors.ConnectionReset("10054"));
      if (received === requests.length) return new Promise(() => {});
      return Promise.resolve([requests[received++], r1]);
    },
    send(bytes) {
      acks.push(bytes);
      return Promise.resolve(bytes.length);
    },
    close() {},
  });
  const { receiver, saidOf } = startHarness({ open }, testRules);
  for (let i = 0; i < 1_000 && acks.length < requests.length; i++) await settle();
  assert.equal(acks.length, 1_001);
  assert.ok(receiver.counters.counted.receiveErrors >= 1_000);
  assert.equal(saidOf("receiveFailed").length, 1);
});

Deno.test("Receiver calls nothing broken but what came with a key", async () => {
  const { deliver, receiver, saidOf } = startHarness({}, testRules);
  await deliver(new Uint8Array(5));
  assert.equal(receiver.counters.refused.length, 1);
  assert.equal(receiver.counters.counted.receiveErrors, 0);
  assert.deepEqual(saidOf("brokenRequest"), []);
});

const router = parsePrefix("192.0.2.1");
const failedRouter = Uint8Array.of(2, 0, 0, 0, 0, 1);
const newRouter = Uint8Array.of(2, 0, 0, 0, 0, 2);

function rulesAt(address: string): ReceiverRules {
  return { ...testRules, address, port: 0, isAllowed: allowNetworks([]) };
}

/** A receiver on loopback, for a client beside it. */
function startReal(parts: Partial<ReceiverParts> = {}, rules: Partial<ReceiverRules> = {}) {
  const kept = keepReport();
  const receiver = new Receiver({ ...rulesAt("127.0.0.1"), ...rules }, {
    cache: createMemoryCache({
      neighbors: [{
        address: router,
        interfaceName: "e0",
        linkLayerAddress: failedRouter,
        permanent: false,
      }],
      answer: () => newRouter,
    }),
    report: kept.report,
    time: systemTime,
    random: Math.random,
    open: openUdpSocket,
    hostName: "host1",
    ...parts,
  });
  return { ...kept, receiver };
}

function startClient(port: number) {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
  return {
    socket,
    send: (bytes: Uint8Array) => socket.send(bytes, to),
    /** Sends a request and waits for its ack. */
    async ask(asked = createRequest()): Promise<FlushAck> {
      const bytes = encodeRequest(asked, key);
      await socket.send(bytes, to);
      return await this.ack(bytes, asked.report ? asked.addresses.length : 0);
    },
    /** The next datagram, which must come soon and be an ack to these bytes. */
    async ack(bytes: Uint8Array, reportCount = 0): Promise<FlushAck> {
      const timer = setTimeout(() => socket.close(), 10_000);
      const [answer] = await socket.receive();
      clearTimeout(timer);
      const sent = {
        key,
        id: bytes.slice(20, 36),
        mac: requestMacOf(bytes),
        reportCount,
      };
      const ack = decodeAck(answer, sent);
      assert.ok(typeof ack !== "string", `not an ack: ${ack}`);
      assert.ok(answer.length <= bytes.length);
      return ack;
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

Deno.test("Receiver flushes for a request and acknowledges with what it removed", async () => {
  const { receiver, saidOf } = startReal();
  using client = startClient(receiver.port);
  const ack = await client.ask();
  assert.deepEqual([ack.status, ack.entries, ack.error, ack.host], ["flushed", 1, 0, "host1"]);
  assert.ok(Math.abs(ack.clock - Date.now()) < 5_000);
  await receiver.stop();
  assert.equal(saidOf("flushed").length, 1);
  assert.equal(saidOf("flushed")[0].values.who, `router (127.0.0.1, key ${key.idText})`);
});

Deno.test("Receiver reports on the neighbors asked about, resolved after the flush", async () => {
  const { receiver } = startReal();
  using client = startClient(receiver.port);
  const asked = { report: true, addresses: [router] };
  const probe = await client.ask(createRequest({ ...asked, action: "probe" }));
  assert.deepEqual([probe.status, probe.entries], ["alive", 1]);
  assert.deepEqual(probe.reports[0].linkLayerAddress, failedRouter);
  const flush = await client.ask(createRequest({ ...asked, action: "flush listed" }));
  assert.deepEqual([flush.status, flush.entries], ["flushed", 1]);
  assert.deepEqual(flush.reports[0].linkLayerAddress, newRouter);
  await receiver.stop();
});

Deno.test("Receiver answers a failed flush with its error, and its next copy tries again", async () => {
  let failures = 1;
  const cache = createMemoryCache({
    before(method) {
      if (method === "flush" && failures-- > 0) throw new NeighborCacheError("Not permitted", 1);
    },
  });
  const { receiver, saidOf } = startReal({ cache });
  using client = startClient(receiver.port);
  const asked = createRequest();
  const failed = await client.ask(asked);
  assert.deepEqual([failed.status, failed.error], ["failed", 1]);
  assert.equal((await client.ask(asked)).status, "flushed");
  await receiver.stop();
  assert.equal(saidOf("flushFailed").length, 1);
  assert.equal(receiver.counters.counted.flushes, 2);
});

Deno.test("Receiver answers the next request after 1,000 acks to a closed port", async () => {
  const { receiver } = startReal();
  using client = startClient(receiver.port);
  // Each of these senders is gone before its ack arrives: the kernel answers with ICMP.
  for (let i = 0; i < 1_000; i++) {
    const gone = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const to = { transport: "udp", hostname: "127.0.0.1", port: receiver.port } as const;
    await gone.send(encodeRequest(createRequest({ action: "probe", ackSpreadMs: 1 }), key), to);
    gone.close();
  }
  assert.equal((await client.ask()).status, "flushed");
  const { acksSent, acksFailed } = receiver.counters.counted;
  await receiver.stop();
  assert.ok(acksSent + acksFailed > 500, `${acksSent} acks sent, ${acksFailed} failed`);
});

Deno.test("Receiver finds a genuine request among junk and answers none of that", async () => {
  const { receiver, saidOf } = startReal();
  using client = startClient(receiver.port);
  const junk = [0, 1, 127, 128, 146, 1_226, 1_500, 9_000].map((length) =>
    crypto.getRandomValues(new Uint8Array(length))
  );
  // In small portions: the kernel drops what overflows a socket's buffer.
  for (let portion = 0; portion < 25; portion++) {
    for (const bytes of junk) await client.send(bytes);
    assert.equal((await client.ask(createRequest({ action: "probe" }))).status, "alive");
  }
  const { refused, counted } = receiver.counters;
  assert.equal(Object.values(refused).reduce((sum, count) => sum + count, 0), 200);
  assert.equal(counted.acksSent, 25);
  await receiver.stop();
  assert.equal(saidOf("refused").reduce((sum, { values }) => sum + Number(values.count), 0), 200);
});

Deno.test("Receiver hears IPv4 and IPv6 on a dual-stack socket and answers both", {
  // On Windows a socket has one family.
  ignore: Deno.build.os === "windows",
}, async () => {
  const { receiver } = startReal({}, { address: "::" });
  using client = startClient(receiver.port);
  assert.equal((await client.ask()).status, "flushed");
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "::1", port: 0 });
  const bytes = encodeRequest(createRequest({ action: "probe" }), key);
  await socket.send(bytes, { transport: "udp", hostname: "::1", port: receiver.port });
  const [answer] = await socket.receive();
  assert.equal(answer.length, 128);
  socket.close();
  await receiver.stop();
});

Deno.test("Receiver never sends more bytes than it received", async () => {
  const { receiver } = startReal();
  using client = startClient(receiver.port);
  for (let count = 1; count <= 61; count++) {
    const addresses = Array.from({ length: count }, (_, i) => ({
      ...router,
      bytes: router.bytes.with(3, i),
    }));
    // client.ack compares the lengths.
    const ack = await client.ask(createRequest({ action: "probe", report: true, addresses }));
    assert.equal(ack.reports.length, count);
  }
  await receiver.stop();
});

Deno.test("Receiver moved by new rules keeps what it has seen", async () => {
  const { receiver } = startReal();
  using before = startClient(receiver.port);
  const asked = createRequest();
  const bytes = encodeRequest(asked, key);
  assert.equal((await before.ask(asked)).status, "flushed");
  await receiver.configure(rulesAt("127.0.0.2"));
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  await socket.send(bytes, { transport: "udp", hostname: "127.0.0.2", port: receiver.port });
  const timer = setTimeout(() => socket.close(), 10_000);
  await socket.receive();
  clearTimeout(timer);
  socket.close();
  assert.equal(receiver.counters.counted.flushes, 1);
  assert.equal(receiver.counters.counted.repeated, 1);
  await receiver.stop();
});

Deno.test("Receiver.flushAll() resolves when its flush has ended", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { cache } = notingCache({
    async flush() {
      await promise;
      return { removed: 1, micros: 1, notes: [] };
    },
  });
  const { receiver, saidOf } = startHarness({ cache });
  let hasEnded = false;
  const ended = receiver.flushAll("a test").then(() => hasEnded = true);
  await settle();
  assert.equal(hasEnded, false);
  resolve();
  await ended;
  assert.deepEqual(saidOf("flushed").map(({ values }) => values.who), ["a test"]);
});

Deno.test("Receiver says where its socket is lost and open again, and counts it", async () => {
  let sockets = 0;
  const open: OpenSocket = (hostname, port) => ({
    addr: { transport: "udp", hostname, port },
    receive() {
      if (++sockets > 1) return new Promise(() => {});
      return Promise.reject(new Deno.errors.BadResource("Bad resource ID"));
    },
    send: (bytes) => Promise.resolve(bytes.length),
    close() {},
  });
  const { receiver, said } = startHarness({ open });
  await settle();
  const place = { address: "0.0.0.0", port: 27_735 };
  assert.deepEqual(said, [
    { event: "socketLost", values: { ...place, error: "Bad resource ID" } },
    { event: "socketReopened", values: place },
  ]);
  assert.equal(receiver.counters.counted.socketsReopened, 1);
});
