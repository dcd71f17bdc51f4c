import assert from "node:assert/strict";
import { clockOffset, Hosts, type HostsOptions, isDecided } from "../../../lib/sender/hosts.ts";
import { compareAnswers, hostResult } from "../../../lib/sender/verdict.ts";
import type { AckStatus } from "../../../lib/wire/ack.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { answer, asked, instance, isOwnMac, reports } from "./answers.ts";

const one = asked("01");
const two = asked("02", { addresses: [parsePrefix("192.0.2.5/32")], action: "flush listed" });

function open(options: Partial<HostsOptions> = {}) {
  const hosts = new Hosts({
    requests: [one],
    isPinned: () => false,
    isExpected: () => false,
    isOwn: () => false,
    compare: (a, b, request) => compareAnswers(a, b, request, isOwnMac),
    ...options,
  });
  const states = () =>
    hosts.all().map((host) => `${host.key} ${hostResult(host, hosts, isOwnMac).state}`);
  return Object.assign(hosts, { states });
}

Deno.test("note() holds two keys under one name apart", () => {
  const hosts = open();
  hosts.note("aa", answer("flushed", [reports.own]), one, false);
  hosts.note("bb", answer("failed", [], { address: "192.0.2.21" }), one, false);
  assert.deepEqual(hosts.states(), ["aa healed", "bb failed"]);
});

Deno.test("note() takes answers of one instance from several addresses as one host's", () => {
  const hosts = open();
  hosts.note("aa", answer("flushed", [reports.own]), one, false);
  hosts.note("aa", answer("flushed", [reports.own], { address: "192.0.2.21" }), one, false);
  assert.deepEqual(hosts.states(), ["aa healed"]);
  assert.deepEqual([...hosts.all()[0].addresses], ["192.0.2.20", "192.0.2.21"]);
});

Deno.test("note() takes a second instance at another address as a clone, a host of its own", () => {
  const hosts = open();
  hosts.note("aa", answer("flushed", [reports.own]), one, false);
  const clone = { address: "192.0.2.21", instance: instance(2) };
  hosts.note("aa", answer("flushed", [reports.foreign], clone), one, false);
  assert.deepEqual(hosts.states(), ["aa healed", "aa stuck"]);
});

Deno.test("note() puts a restarted service in the place of what it was", () => {
  const hosts = open();
  hosts.note("aa", answer("failed"), one, false);
  hosts.note("aa", answer("flushed", [reports.own], { instance: instance(2) }), one, false);
  assert.deepEqual(hosts.states(), ["aa healed"]);
  // A datagram of the first instance that was late, or came by another address, changes nothing.
  const late = hosts.note("aa", answer("failed", [], { address: "192.0.2.21" }), one, false);
  assert.equal(late, "replaced instance");
  assert.deepEqual(hosts.states(), ["aa healed"]);
});

Deno.test("answerOf() keeps what a replaced instance said until the new one says more than stale", () => {
  const hosts = open();
  hosts.note("aa", answer("flushed", [reports.foreign]), one, false);
  hosts.note("aa", answer("stale", [], { instance: instance(2) }), one, false);
  assert.deepEqual(hosts.states(), ["aa stuck"]);
  assert.equal(hosts.all()[0].name, "sql01");
  hosts.note("aa", answer("flushed", [reports.own], { instance: instance(2) }), one, true);
  assert.deepEqual(hosts.states(), ["aa healed"]);
});

Deno.test("requestsOf() a restarted service are those of the links that the earlier one answered on", () => {
  const hosts = open({ requests: [one, asked("04", { links: [1] })] });
  hosts.note("aa", answer("flushed", [reports.own]), one, false);
  hosts.note("aa", answer("flushed", [reports.own], { instance: instance(2) }), one, false);
  assert.deepEqual(hosts.states(), ["aa healed"]);
});

Deno.test("isDecided() takes reports of addresses for the truth in a pending answer alone", () => {
  const decided = (["alive", "flushed", "pending", "failed", "stale"] as const).filter((status) =>
    isDecided(answer(status, [reports.own]).ack, one)
  );
  assert.deepEqual(decided, ["alive", "flushed", "pending"]);
});

Deno.test("answerOf() keeps it over two restarts", () => {
  const hosts = open();
  hosts.note("aa", answer("flushed", [reports.own]), one, false);
  for (const n of [2, 3]) {
    hosts.note("aa", answer("stale", [], { instance: instance(n) }), one, false);
  }
  assert.deepEqual(hosts.states(), ["aa healed"]);
});

/** What counts of answers to one request, whatever their order. */
const ranking: readonly [AckStatus, AckStatus, string][] = [
  ["flushed", "failed", "healed"],
  ["flushed", "pending", "healed"],
  ["flushed", "stale", "healed"],
  ["failed", "pending", "failed"],
  ["failed", "stale", "failed"],
  ["pending", "stale", "pending"],
];
for (const [a, b, state] of ranking) {
  Deno.test(`note() counts ${a} and ${b} as ${state}, in any order`, () => {
    for (const order of [[a, b], [b, a]]) {
      const hosts = open();
      for (const status of order) {
        hosts.note("aa", answer(status, status === "flushed" ? [reports.own] : []), one, false);
      }
      assert.deepEqual(hosts.states(), [`aa ${state}`]);
    }
  });
}

Deno.test("note() counts the worse of two answers that say what is true", () => {
  for (const order of [[reports.own, reports.foreign], [reports.foreign, reports.own]]) {
    const hosts = open();
    for (const report of order) hosts.note("aa", answer("flushed", [report]), one, false);
    assert.deepEqual(hosts.states(), ["aa stuck"]);
  }
});

Deno.test("note() takes a pending answer with a report for the truth on whole addresses alone", () => {
  const hosts = open();
  hosts.note("aa", answer("pending", [reports.own]), one, false);
  assert.deepEqual(hosts.states(), ["aa healed"]);
  assert.ok(hostResult(hosts.all()[0], hosts, isOwnMac).restPending);

  const prefix = asked("03", { addresses: [parsePrefix("192.0.2.0/24")] });
  const others = open({ requests: [prefix] });
  others.note("aa", answer("pending", [reports.elsewhere]), prefix, false);
  assert.deepEqual(others.states(), ["aa pending"]);
});

Deno.test("answerOf() takes a repair's answer as soon as there is one", () => {
  const hosts = open();
  hosts.note("aa", answer("stale"), one, false);
  assert.deepEqual(hosts.states(), ["aa stale"]);
  hosts.note("aa", answer("flushed", [reports.foreign]), one, true);
  hosts.note("aa", answer("stale"), one, false);
  assert.deepEqual(hosts.states(), ["aa stuck"]);
});

Deno.test("requestsOf() wants an answer to each request that took the same link", () => {
  const far = asked("04", { links: [1] });
  const hosts = open({ requests: [one, two, far] });
  hosts.note("aa", answer("flushed", [reports.own]), one, false);
  assert.deepEqual(hosts.states(), ["aa unverified"]);
  const { findings } = hostResult(hosts.all()[0], hosts, isOwnMac);
  assert.deepEqual(findings.map(({ finding }) => finding), ["healed", "unverified"]);
  hosts.note("aa", answer("flushed", [reports.own]), two, false);
  assert.deepEqual(hosts.states(), ["aa healed"]);
});

Deno.test("requestsOf() wants an answer to what went out on all links, and to all of each link", () => {
  const far = asked("04", { links: [1] });
  const everywhere = asked("05", { links: [0, 1] });
  const hosts = open({ requests: [one, far, everywhere] });
  hosts.note("aa", answer("flushed", [reports.own]), one, false);
  assert.deepEqual(hosts.states(), ["aa unverified"]);
  hosts.note("aa", answer("flushed", [reports.own]), everywhere, false);
  assert.deepEqual(hosts.states(), ["aa healed"]);
  // Nobody knows which links it is on.
  hosts.note("bb", answer("flushed", [reports.own]), everywhere, false);
  hosts.note("cc", answer("flushed", [reports.foreign]), everywhere, false);
  assert.deepEqual(hosts.states(), ["aa healed", "bb unverified", "cc stuck"]);
});

Deno.test("note() has room for so many that nobody waits for, and always for the others", () => {
  const hosts = open({
    isPinned: (key) => key === "pinned",
    isExpected: ({ name }) => name === "sql02",
    isOwn: (address) => address === "192.0.2.2",
  });
  const note = (key: string, options = {}) =>
    hosts.note(key, answer("flushed", [reports.own], options), one, false);
  const at = (n: number) => ({ address: `10.0.${n >> 8}.${n & 255}` });
  for (let n = 1; n <= 10_000; n++) assert.notEqual(note(`a${n}`, at(n)), "too many hosts");
  assert.equal(note("b1"), "too many hosts");
  assert.equal(note("a2", { ...at(2), instance: instance(2) }), "too many hosts");
  note("pinned");
  note("aa", { host: "sql02" });
  note("r1", { address: "192.0.2.2" });
  const others = hosts.all().slice(10_000).map(({ key, own }) => [key, own]);
  assert.deepEqual(others, [["pinned", false], ["aa", false], ["r1", true]]);
});

Deno.test("note() bounds the instances of one pinned key", () => {
  const hosts = open({ isPinned: () => true });
  const note = (n: number) =>
    hosts.note("aa", answer("alive", [reports.own], { instance: instance(n) }), one, false);
  for (let n = 0; n < 100; n++) assert.notEqual(note(n), "too many hosts");
  assert.equal(note(100), "too many hosts");
  assert.equal(hosts.all().length, 1);
});

Deno.test("note() takes a pending answer on mixed prefixes for no truth, and the last failure for one", () => {
  const mixed = asked("05", {
    addresses: [parsePrefix("192.0.2.1/32"), parsePrefix("192.0.2.0/24")],
  });
  const hosts = open({ requests: [mixed] });
  hosts.note("aa", answer("pending", [reports.own, reports.elsewhere]), mixed, false);
  assert.deepEqual(hosts.states(), ["aa pending"]);
  hosts.note("aa", answer("failed", [], { error: 1 }), mixed, false);
  hosts.note("aa", answer("failed", [], { error: 2 }), mixed, false);
  assert.equal(hostResult(hosts.all()[0], hosts, isOwnMac).error, 2);
});

Deno.test("note() takes a pending answer on IPv6 addresses for the truth too", () => {
  const six = asked("06", { addresses: [parsePrefix("2001:db8::1/128")] });
  const hosts = open({ requests: [six] });
  hosts.note("aa", answer("pending", [reports.own]), six, false);
  assert.deepEqual(hosts.states(), ["aa healed"]);
});

Deno.test("note() counts acks, and keeps the clock of the one that can be wrong by least", () => {
  const hosts = open();
  for (const [ms, errorMs] of [[1, 30], [2, 10], [3, 10], [4, 20]]) {
    hosts.note("aa", { ...answer("flushed", [reports.own]), clock: { ms, errorMs } }, one, false);
  }
  const [host] = hosts.all();
  assert.deepEqual([host.acks, host.clock], [4, { ms: 2, errorMs: 10 }]);
});

Deno.test("clockOffset() takes the middle of the round trip", () => {
  assert.deepEqual(clockOffset(1_030, 1_000, 20), { ms: 40, errorMs: 10 });
});
