/** One request from datagram to ack, with time that the test advances. */
import assert from "node:assert/strict";
import { createMemoryCache } from "../../../lib/neighbors/memory.ts";
import { type FoundNeighbor, NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createLegacyCheck } from "../../../lib/receiver/accept.ts";
import { seal } from "../../support/datagrams.ts";
import { settle } from "../../support/test_time.ts";
import {
  acksTo,
  notingCache,
  otherRouter,
  r1,
  r2,
  router,
  signed,
  startHarness,
} from "./harness.ts";

const start = 1_700_000_000_000;
const fresh = { created: start + 1 } as const;

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

Deno.test("Receiver starts the flush before it counts and logs what was accepted", async () => {
  const order: string[] = [];
  const { cache } = notingCache({
    flush() {
      order.push(`flush after ${receiver.counters.counted.accepted} counted`);
      return Promise.resolve({ removed: 1, forgotten: [], micros: 1, notes: [] });
    },
  });
  const report = (event: string) => void order.push(event);
  const { deliver, receiver } = startHarness({ cache, report });
  await deliver(signed(fresh));
  assert.deepEqual(order, ["flush after 0 counted", "accepted", "flushed"]);
  assert.equal(receiver.counters.counted.accepted, 1);
});

Deno.test("Receiver tries a failed flush again by a copy, each 0.5 s at most, 8 times", async () => {
  const { deliver, pass, sent, fail, flushes } = startHarness({}, { holdDownMs: 1_000 });
  fail(new NeighborCacheError("Not permitted", 1));
  const bytes = signed(fresh);
  const flushesAfter: number[] = [];
  for (let i = 0; i < 20; i++) {
    await deliver(bytes);
    await pass(499);
    await deliver(bytes);
    await pass(1);
    flushesAfter.push(flushes.length);
  }
  assert.deepEqual(flushesAfter, [1, 2, 3, 4, 5, 6, 7, 8, ...Array(12).fill(9)]);
  assert.equal(sent.length, 8);
  assert.deepEqual(new Set(acksTo(bytes, sent).map(({ status }) => status)), new Set(["failed"]));
});

Deno.test("Receiver holds retries down as well, and flushes for one whose retries were used", async () => {
  const { deliver, pass, sent, fail, flushes } = startHarness();
  fail(new NeighborCacheError("Not permitted", 1));
  const bytes = signed(fresh);
  for (let i = 0; i < 4; i++) {
    await deliver(bytes);
    await pass(500);
  }
  assert.equal(flushes.length, 3);
  fail(null);
  await pass(10_000);
  assert.deepEqual(acksTo(bytes, sent).map(({ status }) => status), [
    "failed",
    "failed",
    "failed",
    "pending",
    "flushed",
  ]);
});

Deno.test("Receiver tells the end of a second try to those alone who asked for it", async () => {
  const { deliver, pass, sent, fail } = startHarness();
  fail(new NeighborCacheError("Not permitted", 1));
  const bytes = signed(fresh);
  await deliver(bytes, r1);
  fail(null);
  await pass(500);
  await deliver(bytes, r2);
  assert.deepEqual(sent.map(({ to }) => to), [r1, r2]);
  assert.deepEqual(acksTo(bytes, sent).map(({ status }) => status), ["failed", "flushed"]);
});

Deno.test("Receiver resolves anew what a flush takes away that starts meanwhile", async () => {
  let begun = 0;
  const { cache } = notingCache({ resolve: () => (begun++, new Promise(() => {})) });
  const { deliver } = startHarness({ cache });
  const listed = { action: "flush listed", addresses: [parsePrefix("192.0.2.101")] } as const;
  await deliver(signed({ ...fresh, ...listed }));
  assert.equal(begun, 1);
  await deliver(signed(fresh));
  assert.equal(begun, 2);
});

Deno.test("Receiver tries again for a copy that asks for no ack", async () => {
  const { deliver, pass, fail, flushes, sent } = startHarness();
  fail(new NeighborCacheError("Not permitted", 1));
  const bytes = signed({ ...fresh, acknowledge: false });
  await deliver(bytes);
  await pass(500);
  await deliver(bytes);
  assert.deepEqual([flushes.length, sent.length], [2, 0]);
});

Deno.test("Receiver sends no ack that nobody asked for", async () => {
  const { deliver, sent, flushes } = startHarness();
  const bytes = signed({ ...fresh, acknowledge: false });
  await deliver(bytes);
  await deliver(bytes);
  await deliver(signed({ created: 5, acknowledge: false }));
  await deliver(signed({ ...fresh, acknowledge: false, action: "probe" }));
  assert.equal(flushes.length, 1);
  assert.equal(sent.length, 0);
});

Deno.test("Receiver acknowledges when the flush has ended, not before, copies once", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { cache } = notingCache({
    async flush() {
      await promise;
      return { removed: 7, micros: 5, forgotten: [], notes: [] };
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

Deno.test("Receiver acknowledges pending and done to every source its copies came from", async () => {
  const { deliver, pass, sent, flushes } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const bytes = signed(fresh);
  const sources = [r1, r2, { ...r1, port: 9 }, { ...r2, port: r1.port }];
  await deliver(bytes);
  await pass(4_000);
  for (const from of [...sources.slice(1), r1]) await deliver(bytes, from);
  assert.equal(flushes.length, 3);
  const pending = acksTo(bytes, sent);
  assert.deepEqual(pending.map(({ status }) => status), Array(5).fill("pending"));
  assert.deepEqual(pending.map(({ micros }) => micros), [10e6, 6e6, 6e6, 6e6, 6e6]);
  await pass(6_000);
  assert.equal(flushes.length, 4);
  const last = sent.slice(5);
  assert.deepEqual(last.map(({ to }) => to), sources);
  assert.deepEqual(acksTo(bytes, last).map(({ status }) => status), Array(4).fill("flushed"));
  await deliver(bytes);
  assert.equal(acksTo(bytes, sent).at(-1)?.status, "flushed");
});

Deno.test("Receiver calls a sender without a name unnamed in the log", async () => {
  const { deliver, saidOf } = startHarness();
  await deliver(signed({ ...fresh, sender: "" }));
  assert.equal(saidOf("accepted")[0].values.who, `unnamed (192.0.2.1, key ${router.key.idText})`);
});

Deno.test("Receiver flushes for whole addresses at once while everything else is held down", async () => {
  const { deliver, sent, flushes } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const listed = [parsePrefix("192.0.2.101"), parsePrefix("2001:db8::1")];
  const whole = signed({ ...fresh, action: "flush listed", addresses: listed });
  for (let i = 0; i < 9; i++) {
    await deliver(
      i === 0 ? whole : signed({ ...fresh, action: "flush listed", addresses: listed }),
    );
  }
  assert.deepEqual(flushes.slice(3), Array(9).fill(listed));
  assert.deepEqual(sent.map(({ at }) => at), Array(9).fill(0));
  const [ofWhole] = acksTo(whole, [sent[0]]);
  assert.deepEqual([ofWhole.status, ofWhole.micros], ["flushed", 1_000]);

  const mixed = [...listed, parsePrefix("10.0.0.0/8")];
  const bytes = signed({ ...fresh, action: "flush listed", report: true, addresses: mixed });
  await deliver(bytes);
  assert.deepEqual(flushes.slice(12), [listed]);
  const [{ status, reports }] = acksTo(bytes, [sent[9]]);
  const states = ["no neighbor", "no neighbor", "not concerned"];
  assert.deepEqual([status, ...reports.map(({ state }) => state)], ["pending", ...states]);
});

Deno.test("Receiver resolves anew, and reports so, after a flush that was held down", async () => {
  const states = ["no neighbor", "neighbor"] as const;
  let resolved = 0;
  const { cache } = notingCache({
    resolve: () =>
      Promise.resolve([{
        state: states[resolved++],
        cached: false,
        linkLayerAddress: new Uint8Array(6),
      }]),
  });
  const { deliver, pass, sent } = startHarness({ cache });
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const bytes = signed({ ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] });
  await deliver(bytes);
  await pass(10_000);
  assert.deepEqual(
    acksTo(bytes, sent).map(({ status, reports }) => [status, reports[0].state]),
    [["pending", "no neighbor"], ["flushed", "neighbor"]],
  );
});

Deno.test("Receiver sends no pending ack when the flush started before its report was there", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { cache } = notingCache({
    async resolve() {
      await promise;
      return [{ state: "no neighbor", cached: false, linkLayerAddress: new Uint8Array(6) }];
    },
  });
  const { deliver, pass, sent } = startHarness({ cache });
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const bytes = signed({ ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] });
  await deliver(bytes);
  await pass(10_000);
  resolve();
  await settle(200);
  assert.deepEqual(acksTo(bytes, sent).map(({ status }) => status), ["flushed"]);
});

Deno.test("Receiver fails what it can't delete, unless a flush of everything did it", async () => {
  const { cache } = notingCache({
    flush: (scope) =>
      scope === "all"
        ? Promise.resolve({ removed: 7, micros: 9, forgotten: [], notes: [] })
        : Promise.reject(new NeighborCacheError("Not permitted", 1)),
  });
  const { deliver, sent } = startHarness({ cache });
  const asked = { ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] };
  const [listed, all] = [signed({ ...asked, action: "flush listed" }), signed(asked)];
  await deliver(listed);
  await deliver(all);
  const [failed] = acksTo(listed, [sent[0]]);
  assert.deepEqual([failed.status, failed.error], ["failed", 1]);
  const [flushed] = acksTo(all, [sent[1]]);
  assert.deepEqual([flushed.status, flushed.entries, flushed.micros], ["flushed", 7, 9]);
});

Deno.test("Receiver says at once that it can't delete, not that the rest is pending", async () => {
  const { deliver, sent, fail } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  fail(new NeighborCacheError("Not permitted", 1));
  const bytes = signed({ ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] });
  await deliver(bytes);
  assert.deepEqual(acksTo(bytes, sent).map(({ status, error }) => [status, error]), [[
    "failed",
    1,
  ]]);
});

Deno.test("Receiver tells an address that a flush removed from one never used", async () => {
  const [used, unused, router] = ["192.0.2.101", "192.0.2.102", "192.0.2.1"].map(parsePrefix);
  const neighbor = { interfaceName: "e0", permanent: false };
  const linkLayerAddress = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const cache = createMemoryCache({
    neighbors: [{ ...neighbor, address: used, linkLayerAddress }],
    gateways: [router],
  });
  const { deliver, sent, pass } = startHarness({ cache });
  const addresses = [used, unused, router];
  const probe = signed({ ...fresh, action: "probe", report: true, addresses });
  const flush = signed({ ...fresh, action: "flush listed", report: true, addresses });
  await deliver(probe);
  await deliver(flush);
  const again = signed({ ...fresh, action: "probe", report: true, addresses });
  await deliver(again);
  await pass(600_000);
  const late = signed({
    created: start + 600_000,
    action: "flush listed",
    report: true,
    addresses,
  });
  await deliver(late);
  const flagsOf = (bytes: Uint8Array, i: number) =>
    acksTo(bytes, [sent[i]])[0].reports.map((
      { state, cached, gateway },
    ) => [state, cached, gateway]);
  assert.deepEqual(flagsOf(probe, 0), [
    ["neighbor", true, false],
    ["no neighbor", false, false],
    ["no neighbor", false, true],
  ]);
  assert.deepEqual(flagsOf(flush, 1), [
    ["no neighbor", true, false],
    ["no neighbor", false, false],
    ["no neighbor", false, true],
  ]);
  assert.deepEqual(flagsOf(again, 2)[0], ["no neighbor", false, false], "a probe");
  assert.deepEqual(flagsOf(late, 3), [
    ["no neighbor", false, false],
    ["no neighbor", false, false],
    ["no neighbor", false, true],
  ]);
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

Deno.test("Receiver answers stale with its challenge, copies too, and flushes nothing", async () => {
  const { deliver, pass, sent, flushes, saidOf, receiver } = startHarness();
  const bytes = signed({ created: start - 600_000 });
  for (let i = 0; i < 3; i++) await deliver(bytes);
  await pass(30_000);
  for (let i = 0; i < 10; i++) await deliver(bytes);
  const acks = acksTo(bytes, sent);
  assert.deepEqual(acks.map(({ status }) => status), Array(8).fill("stale"));
  assert.deepEqual(acks.map(({ clock }) => clock - start), [
    ...Array(3).fill(0),
    ...Array(5).fill(30_000),
  ]);
  const challenges = acks.map(({ challenge }) => challenge?.toHex());
  assert.equal(new Set(challenges.slice(0, 3)).size, 1);
  assert.equal(new Set(challenges.slice(3)).size, 1);
  assert.notEqual(challenges[0], challenges[3]);
  assert.equal(flushes.length, 0);
  assert.deepEqual([receiver.counters.stale.clock, receiver.counters.counted.repeated], [1, 12]);
  assert.deepEqual(saidOf("clockOffset").map(({ values }) => values.seconds), [-600]);
});

Deno.test("Receiver blames no clock for a request from before its start", async () => {
  const { deliver, pass, saidOf, receiver } = startHarness();
  await pass(1_000);
  for (let i = 0; i < 2; i++) await deliver(signed({ created: start - i }));
  assert.deepEqual(receiver.counters.stale, { clock: 0, start: 2, floor: 0 });
  assert.equal(receiver.counters.latest.clockOffset.stale, null);
  assert.deepEqual(saidOf("clockOffset"), []);
  assert.deepEqual(saidOf("earlierRequest").map(({ values }) => values), [
    { who: `r1 (192.0.2.1, key ${router.key.idText})`, than: "this service's start" },
  ]);
});

Deno.test("Receiver answers a stale request with what is right after the spread", async () => {
  const { deliver, pass, sent } = startHarness();
  const bytes = signed({ created: 5, ackSpreadMs: 60_000 });
  await deliver(bytes);
  await pass(30_000);
  const [{ clock, challenge }] = acksTo(bytes, sent);
  assert.equal(clock, start + 30_000);
  assert.ok(challenge !== null);
  await deliver(signed({ created: 5, challenge, ackSpreadMs: 0 }));
  await deliver(signed({ created: 5, challenge, action: "probe" }));
  assert.equal(sent.length, 3);
});

Deno.test("Receiver answers a link-local source on each of its links, 8 at most", async () => {
  const zones = Array.from({ length: 10 }, (_, i) => i + 2);
  const { deliver, sent, receiver } = startHarness({ linkZones: () => zones });
  const bytes = signed(fresh);
  await deliver(bytes, { ...r1, hostname: "fe80::1" });
  assert.deepEqual(
    sent.map(({ to }) => to),
    zones.slice(0, 8).map((zone) => ({ ...r1, hostname: `fe80::1%${zone}` })),
  );
  assert.equal(receiver.counters.counted.acksSent, 1);
  await deliver(signed(fresh), { ...r1, hostname: "fe80::1%e0" });
  await deliver(signed(fresh), { ...r1, hostname: "2001:db8::1" });
  await deliver(signed(fresh), { ...r1, hostname: "169.254.0.1" });
  assert.deepEqual(sent.slice(8).map(({ to }) => "hostname" in to && to.hostname), [
    "fe80::1%e0",
    "2001:db8::1",
    "169.254.0.1",
  ]);
});

Deno.test("Receiver says of how long a held down flush is when the ack is sent", async () => {
  const { deliver, pass, sent } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const soon = signed({ ...fresh, ackSpreadMs: 8_000 });
  const late = signed({ ...fresh, ackSpreadMs: 38_000 });
  await deliver(soon);
  await deliver(late);
  await pass(4_000);
  assert.deepEqual(acksTo(soon, sent).map(({ micros }) => micros), [6e6]);
  // Its own has started when the late one is sent, and another one is held down.
  await pass(6_000);
  await pass(5_000);
  for (let i = 0; i < 3; i++) {
    await deliver(signed({ created: start + 15_000, acknowledge: false }));
  }
  await pass(4_000);
  const ofLate = sent.filter(({ at }) => at === 19_000);
  assert.deepEqual(acksTo(late, ofLate).map(({ status, micros }) => [status, micros]), [
    ["pending", 0],
  ]);
});

Deno.test("Receiver stopped doesn't wait for resolutions that have not begun", async () => {
  const { promise, resolve } = Promise.withResolvers<FoundNeighbor[]>();
  const { cache } = notingCache({ resolve: () => promise });
  const { deliver, receiver, sent } = startHarness({ cache });
  const addresses = Array.from({ length: 55 }, (_, i) => parsePrefix(`192.0.2.${i}`));
  const requests = Array.from({ length: 11 }, (_, i) =>
    signed({
      ...fresh,
      action: "flush listed",
      addresses: addresses.map((one) => ({ ...one, bytes: one.bytes.with(2, i) })),
    }));
  for (const bytes of requests) await deliver(bytes);
  const stopped = receiver.stop();
  resolve([]);
  await stopped;
  assert.equal(sent.length, 11);
});

Deno.test("Receiver stopped answers within half a second though nobody answers it", async () => {
  const { cache } = notingCache({ resolve: () => new Promise(() => {}) });
  const { deliver, receiver, sent, time } = startHarness({ cache });
  const bytes = signed({ ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] });
  await deliver(bytes);
  const stopped = receiver.stop();
  await settle();
  time.pass(499);
  await settle();
  assert.deepEqual(acksTo(bytes, sent), []);
  time.pass(1);
  await stopped;
  const [{ status, reports }] = acksTo(bytes, sent);
  assert.deepEqual([status, reports[0].state, time.timers], ["flushed", "unknown", 0]);
});

Deno.test("Receiver reports as asked, and on nothing where the flush failed", async () => {
  const found: FoundNeighbor[] = [
    { state: "neighbor", cached: true, linkLayerAddress: Uint8Array.of(2, 0, 0, 0, 0, 1) },
    { state: "no neighbor", cached: false, linkLayerAddress: new Uint8Array(6) },
  ];
  const asked: unknown[] = [];
  const { cache } = notingCache({
    resolve(addresses, source) {
      asked.push([addresses, source]);
      return Promise.resolve(found);
    },
  });
  const { deliver, sent } = startHarness({ cache });
  const addresses = [parsePrefix("192.0.2.101"), parsePrefix("2001:db8::1")];
  const bytes = signed({ ...fresh, report: true, addresses });
  await deliver(bytes);
  const reports = found.map((one) => ({ ...one, gateway: false }));
  assert.deepEqual(acksTo(bytes, sent)[0].reports, reports);
  assert.deepEqual(asked, [[addresses, parsePrefix(r1.hostname)]]);

  const failing = startHarness();
  failing.fail(new NeighborCacheError("Not permitted", 1));
  await failing.deliver(bytes);
  const [ack] = acksTo(bytes, failing.sent);
  assert.deepEqual([ack.status, ack.error, ack.reports], ["failed", 1, []]);
});

Deno.test("Receiver reports unknown when the resolution fails after a good flush", async () => {
  const { cache } = notingCache({
    resolve: () => Promise.reject(new NeighborCacheError("ip hangs", 110)),
  });
  const { deliver, sent, saidOf } = startHarness({ cache });
  const bytes = signed({ ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] });
  await deliver(bytes);
  const [ack] = acksTo(bytes, sent);
  assert.deepEqual([ack.status, ack.reports[0].state], ["flushed", "unknown"]);
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
    { who: `r1 (192.0.2.1, key ${router.key.idText})`, error: "no ip" },
  ]);
});

Deno.test("Receiver turns what is no cache error into EIO and lives on", async () => {
  const { deliver, pass, sent, fail, flushes } = startHarness();
  fail(new TypeError("undefined is not a function"));
  const bytes = signed(fresh);
  await deliver(bytes);
  assert.deepEqual(acksTo(bytes, sent).map(({ status, error }) => [status, error]), [[
    "failed",
    5,
  ]]);
  fail(null);
  await pass(500);
  await deliver(bytes);
  assert.equal(acksTo(bytes, sent)[1].status, "flushed");
  assert.equal(flushes.length, 2);
});

Deno.test("Receiver says what a flush did, its notes and its failures", async () => {
  const { cache } = notingCache({
    flush: () =>
      Promise.resolve({
        removed: 3,
        micros: 1_449,
        forgotten: [],
        notes: ["192.0.2.5 was put back"],
      }),
  });
  const { deliver, saidOf } = startHarness({ cache });
  await deliver(signed({ ...fresh, sender: "evil\n\u001b[31m" }));
  assert.deepEqual(saidOf("flushed")[0].values, {
    scope: "all",
    who: `evil??[31m (192.0.2.1, key ${router.key.idText})`,
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
  for (let i = 0; i < 4_101; i++) {
    const bytes = signed({ created: start + (i < 4_097 ? 1 : i), acknowledge: false });
    if (i >= 4_090 && i !== 4_096) copies.push(bytes);
    await deliver(bytes);
  }
  assert.equal(receiver.counters.counted.accepted, 4_100);
  assert.equal(receiver.counters.refused["window full"], 1, "not created later than the rest");
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
  await deliver(signed(fresh, otherRouter));
  const broken = signed(fresh);
  broken[48] = 0xff;
  seal(broken, router);
  await deliver(broken);
  const { refused } = receiver.counters;
  assert.deepEqual([refused["id reused"], refused.key, refused.content], [1, 1, 1]);
  assert.equal(sent.length, 0);
  assert.deepEqual(said.filter(({ event }) => event === "brokenRequest").map((one) => one.values), [
    { key: router.key.idText, source: "192.0.2.1", reason: "content" },
  ]);
});

Deno.test("Receiver stopped does the pending flush, sends what waits, hears nothing more", async () => {
  const { deliver, sent, flushes, receiver, time, isClosed } = startHarness();
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, ackSpreadMs: 60_000 }));
  const bytes = signed(fresh);
  await deliver(bytes);
  // The fourth is told that it is pending.
  assert.deepEqual([flushes.length, sent.length], [3, 1]);
  await receiver.stop();
  assert.deepEqual([flushes.length, sent.length], [4, 5]);
  assert.equal(isClosed(), true);
  await deliver(signed(fresh));
  await settle();
  assert.equal(flushes.length, 4);
  assert.equal(time.timers, 0);
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

Deno.test("Receiver stopped resolves nothing once more for a flush that was held down", async () => {
  let begun = 0;
  const found: FoundNeighbor = {
    ...{ state: "no neighbor", cached: false, linkLayerAddress: new Uint8Array(6) },
  };
  const { cache } = notingCache({ resolve: () => (begun++, Promise.resolve([found])) });
  const { deliver, receiver, sent } = startHarness({ cache });
  for (let i = 0; i < 3; i++) await deliver(signed({ ...fresh, acknowledge: false }));
  const bytes = signed({ ...fresh, report: true, addresses: [parsePrefix("192.0.2.101")] });
  await deliver(bytes);
  await receiver.stop();
  assert.equal(begun, 1);
  assert.deepEqual(acksTo(bytes, sent).map(({ status }) => status), ["pending", "flushed"]);
});
