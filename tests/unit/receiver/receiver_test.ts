/** One request from datagram to ack, with time that the test advances. */
import assert from "node:assert/strict";
import {
  type FoundNeighbor,
  foundWithout,
  NeighborCacheError,
} from "../../../lib/neighbors/neighbor_cache.ts";
import { createLegacyCheck } from "../../../lib/receiver/accept.ts";
import type { FlushAck } from "../../../lib/wire/ack.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { seal } from "../../support/datagrams.ts";
import { settle } from "../../support/test_time.ts";
import { otherRouter, r1, r2, removing, router, signed, startHarness } from "./harness.ts";

/** The Unix time at which each receiver starts. */
const start = 1_700_000_000_000;
const notPermitted = new NeighborCacheError("Not permitted", 1);
const address = parsePrefix("192.0.2.101");
/** A report on one address, with whatever is asked for. */
const reported = { report: true, addresses: [address] };
const silent = foundWithout("no neighbor");
const neighbor: FoundNeighbor = {
  state: "neighbor",
  cached: true,
  linkLayerAddress: Uint8Array.of(2, 0, 0, 0, 0, 1),
};
const who = `r1 (192.0.2.1, key ${router.key.idText})`;

const statusesOf = (acks: readonly FlushAck[]) => acks.map(({ status }) => status);

Deno.test("Receiver acknowledges a copy again with the stored outcome and a new clock", async () => {
  const { ask, deliver, pass, acks, flushes, receiver } = startHarness();
  const bytes = await ask();
  await pass(1_000);
  await deliver(bytes);
  assert.equal(flushes.length, 1);
  assert.deepEqual(acks(bytes).map(({ status, entries, clock }) => [status, entries, clock]), [
    ["flushed", 1, start],
    ["flushed", 1, start + 1_000],
  ]);
  assert.equal(receiver.counters.counted.repeated, 1);
});

Deno.test("Receiver starts the flush before it counts and logs what was accepted", async () => {
  const order: string[] = [];
  const { ask, receiver } = startHarness({
    cache: {
      flush() {
        order.push(`flush after ${receiver.counters.counted.accepted} counted`);
        return Promise.resolve(removing(1));
      },
    },
    report: (event) => void order.push(event),
  });
  await ask();
  assert.deepEqual(order, ["flush after 0 counted", "accepted", "flushed"]);
  assert.equal(receiver.counters.counted.accepted, 1);
});

Deno.test("Receiver tries a failed flush again by a copy, each 0.5 s at most, 8 times", async () => {
  const { ask, deliver, pass, acks, fail, flushes } = startHarness({}, { holdDownMs: 1_000 });
  fail(notPermitted);
  const bytes = await ask();
  const flushesAfter: number[] = [];
  for (let i = 0; i < 20; i++) {
    await deliver(bytes);
    await pass(499);
    await deliver(bytes);
    await pass(1);
    flushesAfter.push(flushes.length);
  }
  assert.deepEqual(flushesAfter, [1, 2, 3, 4, 5, 6, 7, 8, ...Array(12).fill(9)]);
  assert.deepEqual(statusesOf(acks(bytes)), Array(8).fill("failed"));
});

Deno.test("Receiver holds retries down as well, and flushes for one whose retries were used", async () => {
  const { ask, deliver, pass, acks, fail, flushes } = startHarness();
  fail(notPermitted);
  const bytes = await ask();
  for (let i = 0; i < 3; i++) {
    await pass(500);
    await deliver(bytes);
  }
  assert.equal(flushes.length, 3);
  fail(null);
  await pass(10_000);
  const statuses = ["failed", "failed", "failed", "pending", "flushed"];
  assert.deepEqual(statusesOf(acks(bytes)), statuses);
});

Deno.test("Receiver tells the end of a second try to those alone who asked for it", async () => {
  const { ask, deliver, pass, sent, acks, fail } = startHarness();
  fail(new TypeError("undefined is not a function"));
  const bytes = await ask();
  fail(null);
  await pass(500);
  await deliver(bytes, r2);
  assert.deepEqual(sent.map(({ to }) => to), [r1, r2]);
  assert.deepEqual(acks(bytes).map(({ status, error }) => [status, error]), [
    ["failed", 5],
    ["flushed", 0],
  ]);
});

Deno.test("Receiver sends no ack that nobody asked for, but flushes, and tries again", async () => {
  const { ask, deliver, pass, fail, sent, flushes } = startHarness();
  fail(notPermitted);
  const bytes = await ask({ acknowledge: false });
  await pass(500);
  await deliver(bytes);
  await ask({ acknowledge: false, created: 5 });
  await ask({ acknowledge: false, action: "probe" });
  assert.deepEqual([flushes.length, sent.length], [2, 0]);
});

Deno.test("Receiver resolves anew what a flush takes away that starts meanwhile", async () => {
  let begun = 0;
  const { ask } = startHarness({ cache: { resolve: () => (begun++, new Promise(() => {})) } });
  await ask({ action: "flush listed", addresses: [address] });
  assert.equal(begun, 1);
  await ask();
  assert.equal(begun, 2);
});

Deno.test("Receiver acknowledges when the flush has ended, not before, copies once", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { ask, deliver, sent, acks } = startHarness({
    cache: { flush: () => promise.then(() => removing(7)) },
  });
  const bytes = await ask();
  for (let i = 0; i < 2; i++) await deliver(bytes);
  assert.equal(sent.length, 0);
  resolve();
  await settle();
  assert.deepEqual(acks(bytes).map(({ entries }) => entries), [7]);
  assert.deepEqual(sent[0].to, r1);
});

Deno.test("Receiver acknowledges pending and done to every source its copies came from", async () => {
  const { ask, holdDown, deliver, pass, sent, acks, flushes } = startHarness();
  await holdDown();
  const sources = [r1, r2, { ...r1, port: 9 }, { ...r2, port: r1.port }];
  const bytes = await ask();
  await pass(4_000);
  for (const from of [...sources.slice(1), r1]) await deliver(bytes, from);
  assert.equal(flushes.length, 3);
  const pending = acks(bytes);
  assert.deepEqual(statusesOf(pending), Array(5).fill("pending"));
  assert.deepEqual(pending.map(({ micros }) => micros), [10e6, 6e6, 6e6, 6e6, 6e6]);
  await pass(6_000);
  assert.equal(flushes.length, 4);
  assert.deepEqual(sent.slice(5).map(({ to }) => to), sources);
  await deliver(bytes);
  assert.deepEqual(statusesOf(acks(bytes).slice(5)), Array(5).fill("flushed"));
});

Deno.test("Receiver flushes for whole addresses at once while everything else is held down", async () => {
  const { ask, holdDown, sent, acks, flushes } = startHarness();
  await holdDown();
  const listed = [address, parsePrefix("2001:db8::1")];
  for (let i = 0; i < 9; i++) {
    const [ack] = acks(await ask({ action: "flush listed", addresses: listed }));
    assert.deepEqual([ack.status, ack.micros], ["flushed", 1_000]);
  }
  assert.deepEqual(flushes.slice(3), Array(9).fill(listed));
  assert.deepEqual(sent.map(({ at }) => at), Array(9).fill(0));

  const mixed = [...listed, parsePrefix("10.0.0.0/8")];
  const [{ status, reports }] = acks(
    await ask({ action: "flush listed", report: true, addresses: mixed }),
  );
  assert.deepEqual(flushes.slice(12), [listed]);
  const states = ["no neighbor", "no neighbor", "not concerned"];
  assert.deepEqual([status, ...reports.map(({ state }) => state)], ["pending", ...states]);
});

Deno.test("Receiver resolves anew, and reports so, after a flush that was held down", async () => {
  const found = [silent, neighbor];
  const { ask, holdDown, pass, acks } = startHarness({
    cache: { resolve: () => Promise.resolve(found.splice(0, 1)) },
  });
  await holdDown();
  const bytes = await ask(reported);
  await pass(10_000);
  assert.deepEqual(acks(bytes).map(({ status, reports }) => [status, reports[0].state]), [
    ["pending", "no neighbor"],
    ["flushed", "neighbor"],
  ]);
});

Deno.test("Receiver sends no pending ack when the flush started before its report was there", async () => {
  const { promise, resolve } = Promise.withResolvers<FoundNeighbor[]>();
  const { ask, holdDown, pass, acks } = startHarness({ cache: { resolve: () => promise } });
  await holdDown();
  const bytes = await ask(reported);
  await pass(10_000);
  resolve([silent]);
  await settle(200);
  assert.deepEqual(statusesOf(acks(bytes)), ["flushed"]);
});

Deno.test("Receiver fails what it can't delete, unless a flush of everything did it", async () => {
  const { ask, acks } = startHarness({
    cache: {
      flush: (scope) =>
        scope === "all" ? Promise.resolve(removing(7)) : Promise.reject(notPermitted),
    },
  });
  const [failed] = acks(await ask({ ...reported, action: "flush listed" }));
  assert.deepEqual([failed.status, failed.error, failed.reports], ["failed", 1, []]);
  const [flushed] = acks(await ask(reported));
  assert.deepEqual([flushed.status, flushed.entries, flushed.micros], ["flushed", 7, 1_000]);
});

Deno.test("Receiver says at once that it can't delete, not that the rest is pending", async () => {
  const { ask, holdDown, acks, fail } = startHarness();
  await holdDown();
  fail(notPermitted);
  const told = acks(await ask(reported)).map(({ status, error }) => [status, error]);
  assert.deepEqual(told, [["failed", 1]]);
});

Deno.test("Receiver reports what it found, asked for by its source, and what it removed or goes through", async () => {
  const gateway = parsePrefix("2001:db8::1");
  const asked: unknown[] = [];
  const { ask, acks } = startHarness({
    cache: {
      flush: () => Promise.resolve(removing(1, { forgotten: [gateway] })),
      nextHops: () => Promise.resolve([gateway]),
      look: () => Promise.resolve([neighbor, silent]),
      resolve(addresses, source) {
        asked.push([addresses, source]);
        return Promise.resolve([neighbor, silent]);
      },
    },
  });
  const addresses = [address, gateway];
  const found = { ...neighbor, gateway: false };
  const [{ entries, reports }] = acks(await ask({ report: true, addresses }));
  assert.equal(entries, 2, "what the deletion and the flush have removed");
  assert.deepEqual(reports, [found, { ...silent, cached: true, gateway: true }]);
  assert.deepEqual(asked, [[addresses, parsePrefix(r1.hostname)]]);
  const probe = await ask({ action: "probe", report: true, addresses });
  assert.deepEqual(acks(probe)[0].reports, [found, { ...silent, gateway: true }]);
});

Deno.test("Receiver answers a probe without a flush, and a failing one with its error", async () => {
  const { ask, acks, flushes } = startHarness();
  const [alive] = acks(await ask({ action: "probe" }));
  assert.deepEqual([alive.status, alive.entries, flushes.length], ["alive", 0, 0]);

  const failing = startHarness({ cache: { list: () => Promise.reject(notPermitted) } });
  const [failed] = failing.acks(await failing.ask({ action: "probe" }));
  assert.deepEqual([failed.status, failed.error], ["failed", 1]);
  assert.deepEqual(failing.saidOf("lookFailed").map(({ values }) => values), [
    { who, error: "Not permitted" },
  ]);
});

Deno.test("Receiver delays acks by its share of the spread, repeated ones too", async () => {
  const { ask, deliver, pass, sent, acks } = startHarness();
  const bytes = await ask({ ackSpreadMs: 1_000 });
  await pass(499);
  assert.equal(sent.length, 0);
  await pass(1);
  await deliver(bytes);
  await pass(500);
  assert.deepEqual(sent.map(({ at }) => at), [500, 1_000]);
  assert.deepEqual(acks(bytes).map(({ clock }) => clock), [start + 500, start + 1_000]);
});

Deno.test("Receiver says of how long a held down flush is when the ack is sent", async () => {
  const { ask, holdDown, pass, acks } = startHarness();
  await holdDown();
  const soon = await ask({ ackSpreadMs: 8_000 });
  const late = await ask({ ackSpreadMs: 38_000 });
  await pass(4_000);
  assert.deepEqual(acks(soon).map(({ micros }) => micros), [6e6]);
  // Its own has started when the late one is sent, and another one is held down.
  await pass(6_000);
  await pass(5_000);
  await holdDown();
  await pass(4_000);
  assert.deepEqual(acks(late).map(({ status, micros }) => [status, micros]), [["pending", 0]]);
});

Deno.test("Receiver answers stale with its challenge, copies too, and flushes nothing", async () => {
  const { ask, deliver, pass, acks, flushes, saidOf, receiver } = startHarness();
  const bytes = await ask({ created: start - 600_000 });
  for (let i = 0; i < 2; i++) await deliver(bytes);
  await pass(30_000);
  for (let i = 0; i < 10; i++) await deliver(bytes);
  const answers = acks(bytes);
  assert.deepEqual(statusesOf(answers), Array(8).fill("stale"));
  assert.deepEqual(answers.map(({ clock }) => clock - start), [
    ...Array(3).fill(0),
    ...Array(5).fill(30_000),
  ]);
  const challenges = answers.map(({ challenge }) => challenge?.toHex());
  assert.equal(new Set(challenges.slice(0, 3)).size, 1);
  assert.equal(new Set(challenges.slice(3)).size, 1);
  assert.notEqual(challenges[0], challenges[3]);
  assert.equal(flushes.length, 0);
  assert.deepEqual([receiver.counters.stale.clock, receiver.counters.counted.repeated], [1, 12]);
  assert.deepEqual(saidOf("clockOffset").map(({ values }) => values), [{ who, seconds: -600 }]);
});

Deno.test("Receiver blames no clock for a request from before its start", async () => {
  const { ask, pass, saidOf, receiver } = startHarness();
  await pass(1_000);
  for (let i = 0; i < 2; i++) await ask({ created: start - i });
  assert.deepEqual(receiver.counters.stale, { clock: 0, start: 2, floor: 0 });
  assert.equal(receiver.counters.latest.clockOffset.stale, null);
  assert.deepEqual(saidOf("clockOffset"), []);
  assert.deepEqual(saidOf("earlierRequest").map(({ values }) => values), [
    { who, than: "this service's start" },
  ]);
});

Deno.test("Receiver answers a stale request with what is right after the spread", async () => {
  const { ask, pass, sent, acks } = startHarness();
  const bytes = await ask({ created: 5, ackSpreadMs: 60_000 });
  await pass(30_000);
  const [{ clock, challenge }] = acks(bytes);
  assert.equal(clock, start + 30_000);
  assert.ok(challenge !== null);
  await ask({ created: 5, challenge });
  await ask({ created: 5, challenge, action: "probe" });
  assert.equal(sent.length, 3);
});

Deno.test("Receiver answers a link-local source on each of its links, 8 at most", async () => {
  const zones = Array.from({ length: 10 }, (_, i) => i + 2);
  const { ask, sent, receiver } = startHarness({ linkZones: () => zones });
  await ask({}, { ...r1, hostname: "fe80::1" });
  assert.deepEqual(
    sent.splice(0).map(({ to }) => to),
    zones.slice(0, 8).map((zone) => ({ ...r1, hostname: `fe80::1%${zone}` })),
  );
  assert.equal(receiver.counters.counted.acksSent, 1);
  const others = ["fe80::1%e0", "2001:db8::1", "169.254.0.1"].map((hostname) => ({
    ...r1,
    hostname,
  }));
  for (const from of others) await ask({}, from);
  assert.deepEqual(sent.map(({ to }) => to), others);
});

Deno.test("Receiver says what a flush did, its notes, and for whom", async () => {
  const notes = ["192.0.2.5 was put back"];
  const { ask, saidOf } = startHarness({
    cache: { flush: () => Promise.resolve(removing(3, { micros: 1_449, notes })) },
  });
  await ask({ sender: "evil\n\u001b[31m" });
  await ask({ sender: "" });
  const about = { scope: "all", removed: 3, milliseconds: 1.4 };
  const by = `(192.0.2.1, key ${router.key.idText})`;
  assert.deepEqual(saidOf("flushed").map(({ values }) => values), [
    { ...about, who: `evil??[31m ${by}` },
    { ...about, who: `unnamed ${by}` },
  ]);
  assert.deepEqual(saidOf("flushNote")[0].values, { note: notes[0] });
});

Deno.test("Receiver flushes once for the copies of a legacy datagram and answers none", async () => {
  const rules = { isLegacy: createLegacyCheck("TopSecret!") };
  const { deliver, pass, sent, flushes, saidOf, receiver } = startHarness({}, rules);
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
  const { legacy, legacyCopies } = receiver.counters.counted;
  assert.deepEqual([legacy, legacyCopies], [3, 4]);
  assert.equal(saidOf("flushed")[0].values.who, "a legacy client (192.0.2.1)");
});

Deno.test("Receiver flushes for more requests than it can remember, for none of them twice", async () => {
  const { ask, deliver, pass, flushes, saidOf, receiver } = startHarness();
  const { counted, refused } = receiver.counters;
  const created = start + 1;
  for (let i = 0; i < 4_096; i++) await ask({ created, acknowledge: false });
  await ask({ created, acknowledge: false });
  assert.equal(refused["window full"], 1, "not created later than the rest");
  const copy = await ask({ created: created + 1, acknowledge: false });
  await ask({ created: created + 2, acknowledge: false });
  assert.deepEqual([counted.accepted, counted.unremembered], [4_098, 2]);
  assert.deepEqual(saidOf("replayWindowFull").map(({ values }) => values), [
    { capacity: 4_096, who },
  ]);
  await pass(10_000);
  await deliver(copy);
  await pass(10_000);
  assert.equal(flushes.length, 4);
});

Deno.test("Receiver counts and logs an authentic request that is broken, apart from the others", async () => {
  const { ask, deliver, sent, saidOf, receiver } = startHarness();
  const id = new Uint8Array(16).fill(7);
  await ask({ id, acknowledge: false });
  await ask({ id, sender: "r2" });
  await deliver(signed({}, otherRouter));
  const broken = signed();
  broken[48] = 0xff;
  seal(broken, router);
  await deliver(broken);
  const { refused } = receiver.counters;
  assert.deepEqual([refused["id reused"], refused.key, refused.content], [1, 1, 1]);
  assert.equal(sent.length, 0);
  assert.deepEqual(saidOf("brokenRequest").map(({ values }) => values), [
    { key: router.key.idText, source: "192.0.2.1", reason: "content" },
  ]);
});

Deno.test("Receiver looks at nothing whose source it can't read", async () => {
  const { ask, deliver, receiver, flushes } = startHarness();
  await ask({}, { ...r1, hostname: "router1" });
  await deliver(new Uint8Array(1), { ...r1, hostname: "" });
  const { counted, refused } = receiver.counters;
  assert.deepEqual([flushes.length, counted.accepted, refused.length], [0, 0, 0]);
  await ask();
  assert.equal(flushes.length, 1);
});

Deno.test("Receiver stopped does the pending flush, sends what waits, hears nothing more", async () => {
  const { ask, sent, flushes, receiver, time, isClosed } = startHarness();
  for (let i = 0; i < 3; i++) await ask({ ackSpreadMs: 60_000 });
  await ask();
  // The fourth is told that it is pending.
  assert.deepEqual([flushes.length, sent.length], [3, 1]);
  await receiver.stop();
  assert.deepEqual([flushes.length, sent.length], [4, 5]);
  assert.equal(isClosed(), true);
  await ask();
  assert.equal(flushes.length, 4);
  assert.equal(time.timers, 0);
});

Deno.test("Receiver stopped doesn't wait for resolutions that have not begun", async () => {
  const { promise, resolve } = Promise.withResolvers<FoundNeighbor[]>();
  const { ask, receiver, sent } = startHarness({ cache: { resolve: () => promise } });
  for (let i = 0; i < 11; i++) {
    const addresses = Array.from({ length: 55 }, (_, j) => parsePrefix(`192.0.${i}.${j}`));
    await ask({ action: "flush listed", addresses });
  }
  const stopped = receiver.stop();
  resolve([]);
  await stopped;
  assert.equal(sent.length, 11);
});

Deno.test("Receiver stopped answers within half a second though nobody answers it", async () => {
  const { ask, receiver, acks, time } = startHarness({
    cache: { resolve: () => new Promise(() => {}) },
  });
  const bytes = await ask(reported);
  const stopped = receiver.stop();
  await settle();
  time.pass(499);
  await settle();
  assert.deepEqual(acks(bytes), []);
  time.pass(1);
  await stopped;
  const [{ status, reports }] = acks(bytes);
  assert.deepEqual([status, reports[0].state, time.timers], ["flushed", "unknown", 0]);
});

Deno.test("Receiver stopped resolves nothing once more for a flush that was held down", async () => {
  let begun = 0;
  const { ask, holdDown, receiver, acks } = startHarness({
    cache: { resolve: () => (begun++, Promise.resolve([silent])) },
  });
  await holdDown();
  const bytes = await ask(reported);
  await receiver.stop();
  assert.equal(begun, 1);
  assert.deepEqual(statusesOf(acks(bytes)), ["pending", "flushed"]);
});
