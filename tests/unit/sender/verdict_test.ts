import assert from "node:assert/strict";
import { Hosts } from "../../../lib/sender/hosts.ts";
import {
  compareAnswers,
  findingOf,
  hostResult,
  type HostState,
  isGood,
  offsetText,
  stateText,
} from "../../../lib/sender/verdict.ts";
import type { NeighborReport } from "../../../lib/wire/ack.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { answer, asked, isOwnMac, reports } from "./answers.ts";

const vip = parsePrefix("192.0.2.1/32");

/** For each report: what it means after a flush, and in a probe. */
const meanings: readonly [keyof typeof reports, string, string][] = [
  ["own", "healed", "healed"],
  ["foreign", "stuck", "stuck"],
  ["permanentForeign", "stuck", "stuck"],
  ["nobody", "no matter", "no matter"],
  ["nobodyCached", "no answer", "no matter"],
  ["nobodyGateway", "no answer", "no matter"],
  ["unknown", "unverified", "unverified"],
  ["elsewhere", "no matter", "no matter"],
];
for (const [name, flushed, probed] of meanings) {
  Deno.test(`findingOf() calls ${name} ${flushed}, in a probe ${probed}`, () => {
    assert.equal(findingOf(vip, reports[name], false, isOwnMac).finding, flushed);
    assert.equal(findingOf(vip, reports[name], true, isOwnMac).finding, probed);
  });
}

function stateOf(given: readonly NeighborReport[], isProbe = false): HostState {
  const addresses = given.map((_, i) => parsePrefix(`192.0.2.${i + 1}/32`));
  const request = asked("01", { addresses, action: isProbe ? "probe" : "flush all" });
  const hosts = new Hosts({
    requests: [request],
    isPinned: () => false,
    isExpected: () => false,
    isOwn: () => false,
    compare: (a, b, request) => compareAnswers(a, b, request, isOwnMac),
  });
  hosts.note("aa", answer(isProbe ? "alive" : "flushed", given), request, false);
  return hostResult(hosts.all()[0], hosts, isOwnMac).state;
}

Deno.test("hostResult() is the worst of what was found", () => {
  const { own, foreign, nobody, nobodyCached, unknown, elsewhere } = reports;
  assert.equal(stateOf([own, unknown, nobodyCached, foreign]), "stuck");
  assert.equal(stateOf([own, unknown, nobodyCached]), "no answer");
  assert.equal(stateOf([own, unknown]), "unverified");
  assert.equal(stateOf([own, nobody, elsewhere]), "healed");
  assert.equal(stateOf([nobody, elsewhere]), "flushed");
  assert.equal(stateOf([own, nobodyCached], true), "alive");
  assert.equal(stateOf([own, foreign], true), "stuck");
});

Deno.test("hostResult() carries the error of a failed flush", () => {
  const request = asked("01");
  const hosts = new Hosts({
    requests: [request],
    isPinned: () => false,
    isExpected: () => false,
    isOwn: () => false,
    compare: () => 0,
  });
  hosts.note("aa", answer("failed"), request, false);
  const { state, error } = hostResult(hosts.all()[0], hosts, isOwnMac);
  assert.deepEqual([state, error], ["failed", 5]);
});

Deno.test("isGood() is true of what leaves nothing to do", () => {
  assert.ok(isGood("healed") && isGood("flushed") && isGood("alive"));
  for (const state of ["stuck", "failed", "no answer", "unverified", "stale", "pending"] as const) {
    assert.ok(!isGood(state), state);
  }
});

/** What a host with one answer is called. */
function textOf(given: ReturnType<typeof answer>, addresses = [vip]): string {
  const request = asked("01", { addresses });
  const hosts = new Hosts({
    requests: [request],
    isPinned: () => false,
    isExpected: () => false,
    isOwn: () => false,
    compare: () => 0,
  });
  hosts.note("aa", given, request, false);
  return stateText(hostResult(hosts.all()[0], hosts, isOwnMac));
}

const late = { ...answer("stale"), clock: { ms: 600_000, errorMs: 1 } };
const texts: [given: ReturnType<typeof answer>, text: string][] = [
  [answer("failed"), "FAILED, error 5"],
  [late, "REFUSED as stale, its clock is 600.0 s ahead"],
  [answer("flushed", [reports.foreign]), "STUCK 192.0.2.1 at 02:00:00:00:00:01"],
  [
    answer("flushed", [reports.permanentForeign]),
    "STUCK 192.0.2.1 at 02:00:00:00:00:01 (permanent)",
  ],
  [answer("flushed", [reports.nobodyCached]), "no answer 192.0.2.1"],
  [answer("flushed", [reports.unknown]), "unverified 192.0.2.1"],
  [answer("pending"), "pending: its flush is held down"],
  [answer("pending", [reports.own]), "healed, the rest of its cache is held down"],
  [answer("flushed", [reports.own]), "healed"],
];
for (const [given, text] of texts) {
  Deno.test(`stateText() says "${text}"`, () => assert.equal(textOf(given), text));
}

Deno.test("stateText() names three addresses of the state, and counts the rest", () => {
  const addresses = [1, 2, 3, 4, 5].map((n) => parsePrefix(`192.0.2.${n}/32`));
  const { own, nobodyCached } = reports;
  const given = [own, nobodyCached, nobodyCached, nobodyCached, nobodyCached];
  assert.equal(
    textOf(answer("flushed", given), addresses),
    "no answer 192.0.2.2, 192.0.2.3, 192.0.2.4 and 1 more",
  );
});

Deno.test("hostResult() sums up what its answers tell", () => {
  const request = asked("01");
  const hosts = new Hosts({
    requests: [request],
    isPinned: () => false,
    isExpected: () => false,
    isOwn: () => false,
    compare: () => 0,
  });
  const given = { ...answer("flushed", [reports.own], { entries: 9, micros: 700 }), ms: 12 };
  hosts.note("aa", given, request, false);
  const { ms, entries, micros, restPending, error } = hostResult(hosts.all()[0], hosts, isOwnMac);
  assert.deepEqual([ms, entries, micros, restPending, error], [12, 9, 700, false, 0]);
});

const offsets: [ms: number, errorMs: number, text: string][] = [
  [12, 1, "12 ms ahead"],
  [-12, 1, "12 ms behind"],
  [5, 5, "within 5 ms"],
  [-3, 30.5, "within 31 ms"],
  [999, 1, "999 ms ahead"],
  [1_000, 1, "1.0 s ahead"],
  [-600_000, 1, "600.0 s behind"],
];
for (const [ms, errorMs, text] of offsets) {
  Deno.test(`offsetText() says "${text}" of ${ms} ± ${errorMs} ms`, () => {
    assert.equal(offsetText({ ms, errorMs }), text);
  });
}
