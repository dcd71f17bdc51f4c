import fc from "fast-check";
import assert from "node:assert/strict";
import {
  clockOffset,
  type HostResult,
  judgeHost,
  offsetText,
  type ReceivedAck,
  stateText,
} from "../../../lib/sender/hosts.ts";
import { Ownership } from "../../../lib/sender/targets.ts";
import type { FlushAck } from "../../../lib/wire/ack.ts";
import { ack, hostOf, inStep, prefix, received, report, router } from "./helpers.ts";

const to = { id: new Uint8Array(16) };
const addresses = ["192.0.2.1", "192.0.2.2"].map(prefix);
const own = report("neighbor", "02:00:00:00:00:02");
const foreign = report("neighbor", "02:00:00:00:00:01");
const nobody = report("no neighbor");
const unseen = report("not looked at");

function judge(...acks: ReceivedAck[]): HostResult {
  return judgeHost(hostOf(...acks), new Ownership(router, true));
}

/** The result of a host that sends each ack from another address. */
function result(...acks: FlushAck[]): HostResult {
  return judge(...acks.map((ack, i) => received(`192.0.2.${10 + i}`, ack, { addresses })));
}

/** The result of a host that sends all acks from one address. */
function resultAtOne(...acks: FlushAck[]): HostResult {
  return judge(...acks.map((ack) => received("192.0.2.7", ack, { addresses })));
}

/** What a flush that reports so comes to. */
const flushes: [string, ReturnType<typeof report>[], string][] = [
  ["own", [own, own], "healed"],
  ["own and not looked at", [own, unseen], "healed"],
  ["own and nobody", [own, nobody], "no answer 192.0.2.2"],
  ["a foreign and nobody", [foreign, nobody], "STUCK 192.0.2.1 at 02:00:00:00:00:01"],
  ["own and foreign", [own, foreign], "STUCK 192.0.2.2 at 02:00:00:00:00:01"],
  [
    "a permanent foreign one",
    [report("permanent", "02:00:00:00:00:01"), own],
    "STUCK 192.0.2.1 at 02:00:00:00:00:01 (permanent)",
  ],
  ["own as permanent", [report("permanent", "02:00:00:00:00:02"), unseen], "healed"],
  ["nothing looked at", [unseen, unseen], "flushed"],
  ["no reports", [], "flushed"],
];
for (const [what, reports, text] of flushes) {
  Deno.test(`judgeHost() says "${text}" of a flush with ${what}`, () => {
    assert.equal(stateText(result(ack(to, "flushed", { reports }))), text);
  });
}

Deno.test("judgeHost() finds a stuck host by a probe, and nothing wrong with an empty cache", () => {
  const probe = (...reports: ReturnType<typeof report>[]) =>
    result(ack(to, "alive", { reports })).state;
  assert.equal(probe(foreign, nobody), "stuck");
  assert.equal(probe(nobody, nobody), "alive");
  assert.equal(probe(own, unseen), "alive");
});

Deno.test("judgeHost() gives the error of a failed flush", () => {
  const failed = result(ack(to, "failed", { error: 110 }));
  assert.deepEqual([failed.state, failed.error, failed.findings], ["failed", 110, []]);
  assert.equal(stateText(failed), "FAILED, error 110");
  assert.equal(result(ack(to, "stale", { error: 110 })).error, 0);
});

Deno.test("judgeHost() tells the clock of a host that refused as stale", () => {
  const clock = { ms: 600_000, errorMs: 2 };
  const stale = judge(received("192.0.2.7", ack(to, "stale"), { clock }));
  assert.equal(stateText(stale), "REFUSED as stale, its clock is 600.0 s ahead");
});

Deno.test("judgeHost() goes by the best that a host got to, over all its interfaces", () => {
  const flushed = ack(to, "flushed", { reports: [own, own] });
  assert.equal(result(ack(to, "failed"), flushed, ack(to, "stale")).state, "healed");
  assert.equal(result(ack(to, "stale"), ack(to, "failed", { error: 5 })).state, "failed");
});

Deno.test("judgeHost() finds a host stuck if any of its interfaces is", () => {
  const good = ack(to, "flushed", { reports: [own, own] });
  const bad = ack(to, "flushed", { reports: [own, foreign] });
  assert.equal(result(good, bad).state, "stuck");
  assert.equal(result(bad, good).findings.length, 4);
});

Deno.test("judgeHost() doesn't judge addresses of another link than the host's", () => {
  const from = (source: string) => {
    const acked = ack(to, "flushed", { reports: [nobody, nobody] });
    return judgeHost(hostOf(received(source, acked, { addresses })), new Ownership(router, false));
  };
  assert.equal(from("198.51.100.7").state, "flushed");
  assert.equal(from("192.0.2.7").state, "no answer");
});

Deno.test("judgeHost() goes by the addresses of the request that an ack is to", () => {
  const acked = ack(to, "flushed", { reports: [nobody] });
  const other = received("192.0.2.8", acked, { addresses: [prefix("192.0.2.9")] });
  assert.equal(
    stateText(judge(received("192.0.2.7", acked), other)),
    "no answer 192.0.2.1, 192.0.2.9",
  );
});

Deno.test("judgeHost() takes a host with several interfaces as one, whatever its name's case", () => {
  const both = judge(
    received("192.0.2.7", ack(to, "flushed", { host: "web1", entries: 3 })),
    received("198.51.100.7", ack(to, "flushed", { host: "WEB1" })),
    received("192.0.2.7", ack(to, "flushed", { host: "web1", entries: 9 })),
  );
  assert.equal(both.name, "web1");
  assert.equal(both.ackCount, 3);
  assert.deepEqual(both.addresses, ["192.0.2.7", "198.51.100.7"]);
  assert.equal(both.entries, 3);
});

Deno.test("judgeHost() keeps the latest failure until a flush replaces it", () => {
  const failed = (error: number) => ack(to, "failed", { error });
  const two = resultAtOne(failed(1), failed(2));
  assert.deepEqual([two.error, two.confirmed], [2, false]);
  const healed = resultAtOne(failed(1), ack(to, "flushed"), failed(2));
  assert.deepEqual([healed.state, healed.confirmed], ["flushed", true]);
});

Deno.test("judgeHost() keeps a failure when a stale ack comes from the same address", () => {
  assert.equal(resultAtOne(ack(to, "failed"), ack(to, "stale")).state, "failed");
});

Deno.test("judgeHost() takes one of a host's addresses for a confirmation", () => {
  assert.equal(result(ack(to, "flushed"), ack(to, "failed")).confirmed, true);
  assert.equal(result(ack(to, "stale"), ack(to, "failed")).confirmed, false);
  assert.equal(result(ack(to, "alive")).confirmed, true);
});

Deno.test("judgeHost() calls a host without a name by its address, and takes control out of names", () => {
  assert.equal(result(ack(to, "alive", { host: "" })).name, "192.0.2.10");
  assert.equal(result(ack(to, "alive", { host: "a\x1b[2Jb" })).name, "a?[2Jb");
});

Deno.test("judgeHost() takes the clock of the ack with the shortest round trip", () => {
  const clocks = [[-30, 31], [1, 2], [40, 50]].map(([ms, errorMs]) => ({ ms, errorMs }));
  const acks = clocks.map((clock) => received("192.0.2.7", ack(to, "flushed"), { clock }));
  assert.deepEqual(judge(...acks).clock, { ms: 1, errorMs: 2 });
});

Deno.test("stateText() names three addresses and counts the rest", () => {
  const many = Array.from({ length: 5 }, (_, i) => prefix(`192.0.2.${i}`));
  const acked = ack(to, "flushed", { reports: many.map(() => nobody) });
  const host = judge(received("192.0.2.9", acked, { addresses: many }));
  assert.equal(stateText(host), "no answer 192.0.2.0, 192.0.2.1, 192.0.2.2 and 2 more");
});

Deno.test("clockOffset() counts half of the round trip for neither clock", () => {
  // The very same clock, read when the datagram had travelled for 61 ms both ways.
  assert.deepEqual(clockOffset(1_000_030.5, 1_000_061, 61), { ms: 0, errorMs: 30.5 });
});

Deno.test("clockOffset() is wrong by no more than it says, however the ways differ", () => {
  const time = fc.integer({ min: 0, max: 10_000 });
  fc.assert(fc.property(time, time, fc.integer(), (thereMs, backMs, offset) => {
    const sentAt = 1_700_000_000_000;
    const now = sentAt + thereMs + backMs;
    const { ms, errorMs } = clockOffset(sentAt + thereMs + offset, now, thereMs + backMs);
    assert.ok(Math.abs(ms - offset) <= errorMs);
  }));
});

Deno.test("offsetText() speaks of seconds or milliseconds, or of clocks that may be the same", () => {
  assert.equal(offsetText({ ms: -600_000, errorMs: 2 }), "600.0 s behind");
  assert.equal(offsetText({ ms: 12.4, errorMs: 0.3 }), "12 ms ahead");
  assert.equal(offsetText({ ms: -30.5, errorMs: 30.5 }), "within 31 ms");
  assert.equal(offsetText(inStep), "within 1 ms");
});
