import assert from "node:assert/strict";
import { ExpectedHosts } from "../../../lib/sender/expectation.ts";
import {
  type Answer,
  type AskedRequest,
  clockOffset,
  type Hosts,
  type HostsOptions,
  isDecided,
} from "../../../lib/sender/hosts.ts";
import { hostResult } from "../../../lib/sender/verdict.ts";
import type { AckStatus } from "../../../lib/wire/ack.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { answer, asked, instance, isOwnMac, reports } from "./answers.ts";
import { createHosts } from "./helpers.ts";

const one = asked("01");
const two = asked("02", { addresses: [parsePrefix("192.0.2.5/32")], action: "flush listed" });
const far = asked("04", { links: [1] });
const everywhere = asked("05", { links: [0, 1] });
const six = asked("06", { addresses: [parsePrefix("2001:db8::1/128")] });
const network = asked("03", { addresses: [parsePrefix("192.0.2.0/24")] });
const mixed = asked("05", {
  addresses: [parsePrefix("192.0.2.1/32"), parsePrefix("192.0.2.0/24")],
});

const open = (options: Partial<HostsOptions> = {}) => createHosts({ requests: [one], ...options });

const statesOf = (hosts: Hosts) =>
  hosts.all().map((host) => `${host.key} ${hostResult(host, hosts, isOwnMac).state}`).join(", ");

const healed = answer("flushed", [reports.own]);
const stuck = answer("flushed", [reports.foreign]);
const [second, third] = [2, 3].map((n) => ({ instance: instance(n) }));
const elsewhere = { address: "192.0.2.21" };
const again = answer("flushed", [reports.own], second);

/** An answer by its host's key, and the states of all hosts after it; then its request, if not `one`. */
type Step = readonly [key: string, given: Answer, states: string, AskedRequest?, "repair"?];

const courses: readonly [what: string, steps: readonly Step[], requests?: AskedRequest[]][] = [
  ["holds two keys under one name apart", [
    ["aa", healed, "aa healed"],
    ["bb", answer("failed", [], elsewhere), "aa healed, bb failed"],
  ]],
  ["takes answers of one instance from several addresses as one host's", [
    ["aa", healed, "aa healed"],
    ["aa", answer("flushed", [reports.own], elsewhere), "aa healed"],
  ]],
  ["takes a second instance at another address as a clone, a host of its own", [
    ["aa", healed, "aa healed"],
    [
      "aa",
      answer("flushed", [reports.foreign], { ...elsewhere, ...second }),
      "aa healed, aa stuck",
    ],
  ]],
  ["puts a restarted service in the place of what it was, and hears no more of that", [
    ["aa", answer("failed"), "aa failed"],
    ["aa", again, "aa healed"],
    ["aa", answer("failed", [], elsewhere), "aa healed"],
  ]],
  ["keeps what a replaced instance said until the new one says more than stale", [
    ["aa", stuck, "aa stuck"],
    ["aa", answer("stale", [], second), "aa stuck"],
    ["aa", again, "aa healed", one, "repair"],
  ]],
  ["keeps it over two restarts", [
    ["aa", healed, "aa healed"],
    ["aa", answer("stale", [], second), "aa healed"],
    ["aa", answer("stale", [], third), "aa healed"],
  ]],
  ["wants of a restarted service what went out on the links that the earlier one answered on", [
    ["aa", healed, "aa healed"],
    ["aa", again, "aa healed"],
  ], [one, far]],
  ["counts the worse of two answers that say what is true", [
    ["aa", healed, "aa healed"],
    ["aa", stuck, "aa stuck"],
    ["aa", healed, "aa stuck"],
  ]],
  ["takes a repair's answer as soon as there is one", [
    ["aa", answer("stale"), "aa stale"],
    ["aa", stuck, "aa stuck", one, "repair"],
    ["aa", answer("stale"), "aa stuck"],
  ]],
  ["takes a pending answer with reports for the truth on whole addresses", [
    ["aa", answer("pending", [reports.own]), "aa healed"],
  ]],
  ["does so on IPv6 addresses too", [
    ["aa", answer("pending", [reports.own]), "aa healed", six],
  ], [six]],
  ["takes a pending answer on a network for no truth", [
    ["aa", answer("pending", [reports.elsewhere]), "aa pending", network],
  ], [network]],
  ["takes a pending answer on a network and an address for no truth", [
    ["aa", answer("pending", [reports.own, reports.elsewhere]), "aa pending", mixed],
  ], [mixed]],
  ["wants an answer to each request that took the same link", [
    ["aa", healed, "aa unverified"],
    ["aa", healed, "aa healed", two],
  ], [one, two, far]],
  [
    "wants one to what went out on all links, and on all links of a host that nobody knows to be on one",
    [
      ["aa", healed, "aa unverified"],
      ["aa", healed, "aa healed", everywhere],
      ["bb", healed, "aa healed, bb unverified", everywhere],
      ["cc", stuck, "aa healed, bb unverified, cc stuck", everywhere],
    ],
    [one, far, everywhere],
  ],
];
for (const [what, steps, requests = [one]] of courses) {
  Deno.test(`Hosts ${what}`, () => {
    const hosts = open({ requests });
    for (const [key, given, states, request = one, repair] of steps) {
      hosts.note(key, given, request, repair !== undefined);
      assert.equal(statesOf(hosts), states);
    }
  });
}

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
      assert.equal(statesOf(hosts), `aa ${state}`);
    }
  });
}

Deno.test("note() knows an instance that was replaced, and keeps name, addresses and the last error", () => {
  const hosts = open();
  hosts.note("aa", healed, one, false);
  hosts.note("aa", answer("stale", [], { ...second, ...elsewhere }), one, false);
  assert.deepEqual(hosts.all().map(({ name }) => name), ["sql01", ""]);
  hosts.note("aa", answer("stale", [], { ...third }), one, false);
  assert.equal(hosts.note("aa", healed, one, false), "replaced instance");
  const [, { name, addresses }] = hosts.all();
  assert.deepEqual([name, ...addresses], ["sql01", "192.0.2.20"]);
  const others = open();
  for (const error of [1, 2]) others.note("aa", answer("failed", [], { error }), one, false);
  others.note("aa", answer("failed", [], { error: 3, ...elsewhere }), one, false);
  const [host] = others.all();
  assert.deepEqual([...host.addresses], ["192.0.2.20", "192.0.2.21"]);
  assert.equal(hostResult(host, others, isOwnMac).error, 3);
});

Deno.test("requestsOf() finds what isn't answered, and that the rest of a cache is pending", () => {
  const hosts = open({ requests: [one, two] });
  hosts.note("aa", answer("pending", [reports.own]), one, false);
  const { findings, restPending } = hostResult(hosts.all()[0], hosts, isOwnMac);
  assert.deepEqual(findings.map(({ finding }) => finding), ["healed", "unverified"]);
  assert.ok(restPending);
});

Deno.test("isDecided() takes reports of addresses for the truth in a pending answer alone", () => {
  const decided = (["alive", "flushed", "pending", "failed", "stale"] as const).filter((status) =>
    isDecided(answer(status, [reports.own]).ack, one)
  );
  assert.deepEqual(decided, ["alive", "flushed", "pending"]);
});

Deno.test("note() has room for so many that nobody waits for, and always for the others", () => {
  const hosts = open({
    expected: new ExpectedHosts([
      { label: "sql02", names: ["sql02"], addresses: [], pins: [] },
      { label: "sql03", names: [], addresses: [], pins: ["pinned"] },
    ]),
    isOwn: (address) => address === "192.0.2.2",
  });
  const note = (key: string, options = {}) =>
    hosts.note(key, answer("flushed", [reports.own], options), one, false);
  const at = (n: number) => ({ address: `10.0.${n >> 8}.${n & 255}` });
  for (let n = 1; n <= 10_000; n++) assert.notEqual(note(`a${n}`, at(n)), "too many hosts");
  assert.equal(note("b1"), "too many hosts");
  assert.equal(note("a2", { ...at(2), ...second }), "too many hosts");
  note("pinned");
  note("aa", { host: "sql02" });
  // One line makes room for one host.
  assert.equal(note("ab", { host: "sql02" }), "too many hosts");
  note("r1", { address: "192.0.2.2" });
  const others = hosts.all().slice(10_000).map(({ key, own }) => [key, own]);
  assert.deepEqual(others, [["pinned", false], ["aa", false], ["r1", true]]);
});

Deno.test("note() bounds the instances of one pinned key", () => {
  const hosts = open({
    expected: new ExpectedHosts([{ label: "a", names: [], addresses: [], pins: ["aa"] }]),
  });
  const note = (n: number) =>
    hosts.note("aa", answer("alive", [reports.own], { instance: instance(n) }), one, false);
  for (let n = 0; n < 100; n++) assert.notEqual(note(n), "too many hosts");
  assert.equal(note(100), "too many hosts");
  assert.equal(hosts.all().length, 1);
});

Deno.test("note() counts acks, and keeps the clock of the one that can be wrong by least", () => {
  const hosts = open();
  for (const [ms, errorMs] of [[1, 30], [2, 10], [3, 10], [4, 20]]) {
    hosts.note("aa", { ...healed, clock: { ms, errorMs } }, one, false);
  }
  const [host] = hosts.all();
  assert.deepEqual([host.acks, host.clock], [4, { ms: 2, errorMs: 10 }]);
});

Deno.test("clockOffset() takes the middle of the round trip", () => {
  assert.deepEqual(clockOffset(1_030, 1_000, 20), { ms: 40, errorMs: 10 });
});
