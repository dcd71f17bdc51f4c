import assert from "node:assert/strict";
import { ExpectedHosts } from "../../../lib/sender/expectation.ts";
import { type FollowUpOptions, FollowUps } from "../../../lib/sender/follow_ups.ts";
import type { Answer, AskedRequest, Host, Noted } from "../../../lib/sender/hosts.ts";
import { answer, asked, instance, reports } from "./answers.ts";
import { countOf } from "./helpers.ts";

const one = asked("01");

function noted(key: string, given: Answer, request: AskedRequest = one): Noted {
  const host: Host = {
    key,
    instance: given.ack.instance.toHex(),
    name: given.ack.host,
    addresses: new Set([given.address]),
    own: false,
    acks: 1,
    clock: given.clock,
    answers: new Map(),
    inherited: new Map(),
  };
  return { host, request, answer: given };
}

function open(options: Partial<FollowUpOptions> = {}) {
  return new FollowUps({
    waitMs: 2_000,
    expected: countOf(null),
    wasSentTo: () => true,
    ...options,
  });
}

const expected = new ExpectedHosts([
  { label: "web1", names: [], addresses: [], pins: ["pinned"] },
  { label: "web2", names: [], addresses: ["10.0.0.101"], pins: [] },
]);

/** When what goes out, up to a time. */
function sends(followUps: FollowUps, untilMs: number): string[] {
  const out: string[] = [];
  for (let at = followUps.nextAt(); at <= untilMs; at = followUps.nextAt()) {
    for (const { kind, host } of followUps.takeDue(at)) out.push(`${at} ${kind} ${host.key}`);
  }
  return out;
}

Deno.test("a stale ack is repaired at once and 300 ms later, with the host's challenge", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("stale")), false, 100, null);
  const [first] = followUps.takeDue(100);
  assert.deepEqual(first.challenge, answer("stale").ack.challenge);
  assert.equal(first.address, "192.0.2.20");
  assert.deepEqual(sends(followUps, 10_000), ["400 repair aa"]);
  assert.equal(followUps.waitsUntil(0), 2_400);
});

Deno.test("further stale acks send the same repair again, six times in all", () => {
  const followUps = open();
  for (let i = 0; i < 20; i++) followUps.note(noted("aa", answer("stale")), false, 1_000 * i, null);
  assert.equal(sends(followUps, 100_000).length, 6);
});

Deno.test("an answered repair is sent no more, and nobody waits for it", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("stale")), false, 100, null);
  followUps.takeDue(100);
  followUps.note(noted("aa", answer("flushed", [reports.own])), true, 150, null);
  followUps.note(noted("aa", answer("stale")), false, 200, null);
  assert.deepEqual(sends(followUps, 10_000), []);
  assert.equal(followUps.waitsUntil(0), 2_000);
});

Deno.test("an instance and a request are repaired each for itself", () => {
  const followUps = open();
  const two = asked("02");
  followUps.note(noted("aa", answer("stale")), false, 0, null);
  followUps.note(noted("aa", answer("stale"), two), false, 0, null);
  followUps.note(noted("aa", answer("stale", [], { instance: instance(2) })), false, 0, null);
  assert.equal(followUps.takeDue(0).length, 3);
});

Deno.test("one address has three repairs of a request, a pinned key has its own besides", () => {
  const followUps = open({ expected });
  for (const key of ["a1", "a2", "a3", "a4", "pinned"]) {
    followUps.note(noted(key, answer("stale")), false, 0, null);
  }
  assert.deepEqual(
    sends(followUps, 0),
    ["a1", "a2", "a3", "pinned"].map((key) => `0 repair ${key}`),
  );
});

Deno.test("64 hosts are repaired, pinned and expected ones besides", () => {
  const followUps = open({ expected });
  const stale = (key: string, n: number) =>
    followUps.note(noted(key, answer("stale", [], { address: `10.0.0.${n}` })), false, 0, null);
  for (let n = 0; n < 70; n++) stale(`a${n}`, n);
  stale("pinned", 100);
  stale("expected", 101);
  const repaired = sends(followUps, 0);
  assert.equal(repaired.length, 66);
  assert.deepEqual(repaired.slice(-2), ["0 repair pinned", "0 repair expected"]);
});

Deno.test("nothing goes to an address that the run wasn't sent to", () => {
  const followUps = open({ expected, wasSentTo: () => false });
  followUps.note(noted("pinned", answer("stale")), false, 0, null);
  followUps.note(noted("bb", answer("pending", [], { micros: 0 })), false, 0, null);
  assert.equal(followUps.nextAt(), Infinity);
});

Deno.test("no repair begins when the wait behind the last copy is over", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("stale")), false, 6_001, 4_000);
  assert.equal(followUps.nextAt(), Infinity);
  followUps.note(noted("aa", answer("stale")), false, 6_000, 4_000);
  assert.equal(followUps.nextAt(), 6_000);
});

Deno.test("a pending host is asked again 1 s after the time it named, three times 1.5 s apart", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("pending", [], { micros: 4_000_000 })), false, 100, null);
  assert.deepEqual(sends(followUps, 60_000), [
    "5100 pending aa",
    "6600 pending aa",
    "8100 pending aa",
  ]);
  assert.equal(followUps.waitsUntil(1_000), 18_000);
});

Deno.test("a pending host that failed is waited for still, one that answered is not", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("pending", [], { micros: 1_000 })), false, 0, null);
  followUps.note(noted("aa", answer("failed")), false, 10, null);
  assert.equal(followUps.waitsUntil(0), 17_000);
  followUps.note(noted("aa", answer("flushed", [reports.own])), false, 20, null);
  assert.equal(followUps.waitsUntil(0), 2_000);
  assert.deepEqual(sends(followUps, 60_000), []);
});

Deno.test("a pending host whose addresses are healed isn't waited for", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("pending", [reports.own], { micros: 9e6 })), false, 0, null);
  assert.equal(followUps.waitsUntil(0), 2_000);
  assert.equal(followUps.nextAt(), Infinity);
});

Deno.test("what is pending after a repair goes out again with the challenge", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("stale")), false, 0, null);
  followUps.takeDue(0);
  followUps.note(noted("aa", answer("pending", [], { micros: 0 })), true, 10, null);
  const [again] = followUps.takeDue(1_010);
  assert.deepEqual(again.challenge, answer("stale").ack.challenge);
});

Deno.test("10,000 pending hosts are waited for in bounded time and memory", () => {
  const followUps = open();
  for (let n = 0; n < 10_000; n++) {
    followUps.note(noted(`a${n}`, answer("pending", [], { micros: n })), false, 0, null);
  }
  assert.equal(sends(followUps, 60_000).length, 3 * 1_024);
  assert.equal(followUps.waitsUntil(0), 17_000);
});

Deno.test("what is dropped is the host's own, and of its kind", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("stale")), false, 0, null);
  followUps.note(noted("bb", answer("stale"), one), false, 0, null);
  followUps.note(noted("cc", answer("pending", [], { micros: 0 })), false, 0, null);
  followUps.takeDue(0);
  followUps.note(noted("aa", answer("flushed", [reports.own])), true, 10, null);
  followUps.note(noted("cc", answer("stale")), false, 10, null);
  followUps.takeDue(10);
  followUps.note(noted("cc", answer("failed")), true, 20, null);
  assert.deepEqual(sends(followUps, 1_000), ["300 repair bb", "1000 pending cc"]);
});

Deno.test("a repeated pending answer asks no more often, a failed one not at all", () => {
  const followUps = open();
  for (let i = 0; i < 3; i++) {
    followUps.note(noted("aa", answer("pending", [], { micros: 0 })), false, i, null);
  }
  followUps.note(noted("bb", answer("failed")), false, 0, null);
  assert.deepEqual(sends(followUps, 60_000).length, 3);
  assert.equal(followUps.waitsUntil(0), 17_000);
});

Deno.test("a repair that a late stale ack repeats is waited for from then on", () => {
  const followUps = open();
  followUps.note(noted("aa", answer("stale")), false, 0, null);
  followUps.note(noted("aa", answer("stale")), false, 5_000, null);
  assert.equal(followUps.waitsUntil(0), 7_000);
});
