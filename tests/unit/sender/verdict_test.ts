import assert from "node:assert/strict";
import { createHosts } from "../../../lib/sender/hosts.ts";
import {
  compareAnswers,
  findingOf,
  hostResult,
  type HostState,
  isGood,
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
  const hosts = createHosts({
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
  const hosts = createHosts({
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
