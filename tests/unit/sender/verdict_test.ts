import assert from "node:assert/strict";
import type { Answer, AskedRequest } from "../../../lib/sender/hosts.ts";
import {
  compareAnswers,
  hostResult,
  type HostState,
  hostStates,
  isGood,
  type IsOwnLinkLayerAddress,
} from "../../../lib/sender/verdict.ts";
import type { NeighborReport } from "../../../lib/wire/ack.ts";
import { formatPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { answer, asked, isOwnMac, reports } from "./answers.ts";
import { createHosts } from "./helpers.ts";

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
/** What is true of the one host that gave these answers to these requests; null is no answer. */
function resultOf(
  given: readonly (readonly [AskedRequest, Answer | null])[],
  isOwn: IsOwnLinkLayerAddress = isOwnMac,
  left: readonly string[] = [],
) {
  const hosts = createHosts({ requests: given.map(([request]) => request) });
  for (const [request, one] of given) if (one !== null) hosts.note("aa", one, request, false);
  return hostResult(hosts.all()[0], hosts, isOwn, left);
}

/** What a host found that reported this, in a probe or after a flush. */
function findingOf(report: NeighborReport, isProbe = false, isOwn?: IsOwnLinkLayerAddress) {
  const [request, status] = isProbe
    ? [asked("01", { action: "probe" }), "alive" as const]
    : [asked("01"), "flushed" as const];
  return resultOf([[request, answer(status, [report])]], isOwn).findings[0];
}

for (const [name, flushed, probed] of meanings) {
  Deno.test(`hostResult() calls ${name} ${flushed}, in a probe ${probed}`, () => {
    const { finding, linkLayerAddress } = findingOf(reports[name]);
    assert.equal(finding, flushed);
    assert.equal(linkLayerAddress !== null, ["own", "foreign", "permanentForeign"].includes(name));
    assert.equal(findingOf(reports[name], true).finding, probed);
  });
}

Deno.test("hostResult() calls unverified what nobody knows the owner of", () => {
  assert.equal(findingOf(reports.own, false, () => null).finding, "unverified");
});

Deno.test("hostResult() asks whether an entry that was set leads to the host's own link", () => {
  const isOnRoute: IsOwnLinkLayerAddress = (_mac, _address, place) => place === undefined;
  for (const isProbe of [false, true]) {
    assert.equal(findingOf(reports.own, isProbe, isOnRoute).finding, "healed");
    const set = { ...reports.own, state: "permanent" } as const;
    assert.equal(findingOf(set, isProbe, isOnRoute).finding, "stuck");
  }
});

const [one, two] = [asked("01"), asked("02")];
const healed = answer("flushed", [reports.own]);

Deno.test("hostResult() is the worst of what was found", () => {
  const stateOf = (given: readonly NeighborReport[], isProbe = false): HostState => {
    const addresses = given.map((_, i) => parsePrefix(`192.0.2.${i + 1}/32`));
    const request = asked("01", { addresses, action: isProbe ? "probe" : "flush all" });
    return resultOf([[request, answer(isProbe ? "alive" : "flushed", given)]]).state;
  };
  const { own, foreign, nobody, nobodyCached, unknown, elsewhere } = reports;
  assert.equal(stateOf([own, unknown, nobodyCached, foreign]), "stuck");
  assert.equal(stateOf([own, unknown, nobodyCached]), "no answer");
  assert.equal(stateOf([own, unknown]), "unverified");
  assert.equal(stateOf([own, nobody, elsewhere]), "healed");
  assert.equal(stateOf([nobody, elsewhere]), "flushed");
  assert.equal(stateOf([own, nobodyCached], true), "alive");
  assert.equal(stateOf([own, foreign], true), "stuck");
});

Deno.test("hostResult() finds nothing where a request with a report isn't answered", () => {
  const { state, findings } = resultOf([[one, healed], [two, null]]);
  assert.equal(state, "unverified");
  const nothing = { linkLayerAddress: null, report: null };
  assert.deepEqual(findings[1], { address: vip, finding: "unverified", ...nothing });
  const bare = resultOf([[one, healed], [asked("02", { report: false }), null]]);
  assert.deepEqual([bare.state, bare.findings.length], ["healed", 1]);
});

Deno.test("hostResult() says nothing of an address that has left, reported or not", () => {
  const here = asked("03", { addresses: [parsePrefix("192.0.2.9/32")] });
  const findings = [answer("flushed", [reports.foreign]), null].map((given) =>
    resultOf([[here, healed], [one, given]], isOwnMac, ["192.0.2.1"]).findings
  );
  assert.deepEqual(findings.map((found) => found.map(({ address }) => formatPrefix(address))), [
    ["192.0.2.9"],
    ["192.0.2.9"],
  ]);
});

Deno.test("hostResult() carries the error of a failed flush, if that is the worst", () => {
  const failed = answer("failed");
  for (
    const [other, state, error] of [
      [answer("pending"), "failed", 5],
      [answer("flushed", [reports.foreign]), "stuck", 0],
    ] as const
  ) {
    const result = resultOf([[one, failed], [two, other]]);
    assert.deepEqual([result.state, result.error], [state, error]);
  }
});

Deno.test("hostResult() sums up what its answers tell", () => {
  const given = { ...answer("flushed", [reports.own], { entries: 9, micros: 700 }), ms: 12 };
  for (const other of ["pending", "stale"] as const) {
    // Of a pending one they are the time until its flush.
    const { ms, entries, micros } = resultOf([
      [one, given],
      [two, answer(other, [], { micros: 9e6 })],
    ]);
    assert.deepEqual([ms, entries, micros], [12, 9, 700]);
  }
});

Deno.test("hostResult() tells that the rest is pending where what was asked for is not", () => {
  const rest = answer("pending", [reports.own]);
  assert.deepEqual(
    [
      resultOf([[one, rest]]),
      resultOf([[one, rest], [two, healed]]),
      resultOf([[one, healed]]),
      resultOf([[one, answer("pending")]]),
    ].map(({ state, restPending }) => [state, restPending]),
    [["healed", true], ["healed", true], ["healed", false], ["pending", false]],
  );
});

Deno.test("compareAnswers() tells what was found apart after a flush, not in a probe", () => {
  const compare = (status: "flushed" | "alive", action: "flush all" | "probe") => {
    const [own, elsewhere] = [reports.own, reports.elsewhere].map((one) =>
      answer(status, [one]).ack
    );
    return compareAnswers(own, elsewhere, asked("01", { action }), isOwnMac);
  };
  assert.ok(compare("flushed", "flush all") < 0);
  assert.equal(compare("alive", "probe"), 0);
});

Deno.test("isGood() is true of what leaves nothing to do", () => {
  assert.deepEqual(hostStates.filter(isGood), ["healed", "flushed", "alive"]);
});
