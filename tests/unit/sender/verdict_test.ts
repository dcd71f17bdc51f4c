import assert from "node:assert/strict";
import { type AskedRequest, Hosts } from "../../../lib/sender/hosts.ts";
import {
  compareAnswers,
  findingOf,
  hostResult,
  type HostState,
  hostStates,
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
    const { finding, linkLayerAddress } = findingOf(vip, reports[name], false, isOwnMac);
    assert.equal(finding, flushed);
    assert.equal(linkLayerAddress !== null, ["own", "foreign", "permanentForeign"].includes(name));
    assert.equal(findingOf(vip, reports[name], true, isOwnMac).finding, probed);
  });
}

Deno.test("findingOf() calls unverified what nobody knows the owner of", () => {
  const { finding } = findingOf(vip, reports.own, false, () => null);
  assert.equal(finding, "unverified");
});

Deno.test("findingOf() asks whether an entry that was set leads to the host's own link", () => {
  const place = { links: new Set([0]), addresses: [] };
  const findings = (isProbe: boolean) =>
    (["neighbor", "permanent"] as const).map((state) =>
      findingOf(
        vip,
        { ...reports.own, state },
        isProbe,
        (_mac, _address, at) => at !== place,
        place,
      )
        .finding
    );
  assert.deepEqual(findings(false), ["healed", "stuck"]);
  assert.deepEqual(findings(true), ["healed", "stuck"]);
});

/** What is true of the one host that gave these answers to these requests; null is no answer. */
function resultOf(...given: [request: AskedRequest, answer: ReturnType<typeof answer> | null][]) {
  const hosts = new Hosts({
    requests: given.map(([request]) => request),
    isPinned: () => false,
    isExpected: () => false,
    isOwn: () => false,
    compare: (a, b, request) => compareAnswers(a, b, request, isOwnMac),
  });
  for (const [request, one] of given) if (one !== null) hosts.note("aa", one, request, false);
  return hostResult(hosts.all()[0], hosts, isOwnMac);
}

const [one, two] = [asked("01"), asked("02")];
const healed = answer("flushed", [reports.own]);

Deno.test("hostResult() is the worst of what was found", () => {
  const stateOf = (given: readonly NeighborReport[], isProbe = false): HostState => {
    const addresses = given.map((_, i) => parsePrefix(`192.0.2.${i + 1}/32`));
    const request = asked("01", { addresses, action: isProbe ? "probe" : "flush all" });
    return resultOf([request, answer(isProbe ? "alive" : "flushed", given)]).state;
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
  const { state, findings } = resultOf([one, healed], [two, null]);
  assert.equal(state, "unverified");
  const nothing = { linkLayerAddress: null, permanent: false, report: null };
  assert.deepEqual(findings[1], { address: vip, finding: "unverified", ...nothing });
  const bare = resultOf([one, healed], [asked("02", { report: false }), null]);
  assert.deepEqual([bare.state, bare.findings.length], ["healed", 1]);
});

Deno.test("hostResult() carries the error of a failed flush, if that is the worst", () => {
  const failed = answer("failed");
  for (
    const [other, state, error] of [
      [answer("pending"), "failed", 5],
      [answer("flushed", [reports.foreign]), "stuck", 0],
    ] as const
  ) {
    const result = resultOf([one, failed], [two, other]);
    assert.deepEqual([result.state, result.error], [state, error]);
  }
});

Deno.test("hostResult() sums up what its answers tell", () => {
  const given = { ...answer("flushed", [reports.own], { entries: 9, micros: 700 }), ms: 12 };
  for (const other of ["pending", "stale"] as const) {
    // Of a pending one they are the time until its flush.
    const { ms, entries, micros } = resultOf([one, given], [
      two,
      answer(other, [], { micros: 9e6 }),
    ]);
    assert.deepEqual([ms, entries, micros], [12, 9, 700]);
  }
});

Deno.test("hostResult() tells that the rest is pending where what was asked for is not", () => {
  const rest = answer("pending", [reports.own]);
  assert.deepEqual(
    [
      resultOf([one, rest]),
      resultOf([one, rest], [two, healed]),
      resultOf([one, healed]),
      resultOf([one, answer("pending")]),
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

/** What a host with one answer is called. */
const textOf = (given: ReturnType<typeof answer>, addresses = [vip]): string =>
  stateText(resultOf([asked("01", { addresses }), given]));

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
