import assert from "node:assert/strict";
import { verdictCounts } from "../../../lib/sender/summary.ts";
import { formatKey } from "../../../lib/wire/keys.ts";
import { answer, reports } from "./answers.ts";
import {
  type Answered,
  askResult,
  countOf,
  expectedOf,
  failed,
  healed,
  outcome,
  stuck,
  targetOutcome,
} from "./helpers.ts";
import { hostKey } from "./virtual_run.ts";

type Plan = Parameters<typeof outcome>[1];
type Fields = Parameters<typeof outcome>[2];

const expected = (text: string): Plan => ({ exchange: { expected: expectedOf(text) } });
const count = (count: number): Plan => ({ exchange: { expected: countOf(count) } });
const password: Plan = {
  exchange: { content: { kind: "password", password: "x", targets: [] } },
};
const down = { sent: 0, error: "Down" };
const found = targetOutcome("10.0.0.255", down);
const unfound = { ...found, target: { ...found.target, named: false } };
const state = (name: keyof typeof reports): Answered => ({
  key: 4,
  answer: answer("flushed", [reports[name]], { address: "192.0.2.10" }),
});
const pending: Answered = { key: 5, answer: answer("pending", [], { host: "x" }) };
const stale: Answered = { key: 6, answer: answer("stale") };

const pinned = `web1 ${formatKey("host", hostKey(healed.key))}`;
const impostor = { ...healed, key: 7 };

const left = { endedEarly: "192.0.2.1 has left e0", hasLostAddresses: true };

/** What ended how: answers, plan and record, and the exit code. */
const codes: [what: string, answers: readonly Answered[], code: number, Plan?, Fields?][] = [
  ["one host healed, none expected", [healed], 0],
  ["nobody answered", [], 3],
  ["a host is stuck", [healed, stuck], 3],
  ["a host failed", [healed, failed], 3],
  ["nobody answered a host for an address it uses", [healed, state("nobodyCached")], 3],
  ["an address could not be looked at", [healed, state("unknown")], 3],
  ["a host is stale", [healed, stale], 3],
  ["a host's flush is still to come", [healed, pending], 3],
  ["a host never used the address", [healed, state("nobody")], 0],
  ["a host is on none of the links", [state("elsewhere")], 0],
  ["a host is missing", [healed], 3, expected("web1\ndb2")],
  ["the expected hosts healed", [healed], 0, expected("WEB1")],
  ["too few answered", [healed], 3, count(2)],
  ["one that nobody expected is stuck", [healed, stuck], 3, expected("web1")],
  ["only the sending machine answered", [healed], 3, count(1), { own: "192.0.2.7" }],
  ["the sending machine alone is not good", [healed, failed], 0, {}, { own: "192.0.2.9" }],
  ["a pinned host healed", [healed], 0, expected(pinned)],
  ["another key has a pinned host's name", [healed, impostor], 3, expected(pinned)],
  ["acks were still to be verified", [healed], 3, {}, { unverified: 1 }],
  ["a named interface can't be used", [healed], 3, { faults: ["No e9"] }],
  ["it was ended before somebody answered", [healed], 4, count(2), { endedEarly: "stopped" }],
  ["it was ended while an ack was verified", [healed], 4, {}, {
    endedEarly: "stopped",
    unverified: 1,
  }],
  ["it was ended and a host is stuck", [stuck], 3, {}, { endedEarly: "stopped" }],
  ["addresses left that a host had elsewhere", [stuck, pending], 4, count(3), left],
  ["an address left and nothing else is wrong", [stuck], 4, {}, { left: ["192.0.2.1"] }],
  ["another address left than the stuck one", [stuck], 3, {}, { left: ["192.0.2.77"] }],
  ["a host failed before addresses left", [failed], 3, {}, left],
  ["the report was hindered", [healed], 4, { hindrances: ["No file"] }],
  ["the report was hindered and a host is stuck", [stuck], 3, { hindrances: ["No file"] }],
  [
    "a target that --all found couldn't be reached",
    [healed],
    0,
    {},
    { targets: [targetOutcome("192.0.2.255"), unfound] },
  ],
  [
    "a target that was named couldn't be reached",
    [healed],
    3,
    {},
    { targets: [targetOutcome("web1"), targetOutcome("web2", down)] },
  ],
  ["nothing could be sent", [], 1, {}, { targets: [targetOutcome("192.0.2.255", down)] }],
  ["a password was sent", [], 0, password],
  ["a password could not be sent", [], 1, password, { targets: [targetOutcome("web1", down)] }],
];
for (const [what, answers, code, plan, record] of codes) {
  Deno.test(`outcomeOf() gives exit code ${code} when ${what}`, () => {
    assert.equal(outcome(answers, plan, record).exitCode, code);
  });
}

const named = { expected: true, name: "printer1" } as const;
const noDatagram: Plan = { exchange: { content: { kind: "none", isProbe: false } } };
const nowhere: Fields = { targets: [] };

/** The same with hosts that were asked by ARP. */
const askCodes: [
  what: string,
  answers: readonly Answered[],
  asked: Parameters<typeof outcome>[3],
  code: number,
  Plan?,
  Fields?,
][] = [
  ["everybody who was asked is healed", [], [askResult("healed"), askResult("ok")], 0],
  ["one who was asked is stuck", [healed], [askResult("stuck")], 3],
  ["an address is idle", [healed], [askResult("no answer")], 0],
  ["idle addresses are all that was asked", [], [askResult("no answer")], 3],
  ["an expected host doesn't answer", [healed], [askResult("no answer", named)], 3],
  ["somebody proves nothing", [healed], [askResult("asked")], 0],
  ["an expected host proves nothing", [healed], [askResult("asked", named)], 4],
  ["somebody was not asked", [healed], [askResult("not asked")], 4],
  [
    "the service says healed where asking says stuck",
    [healed],
    [askResult("stuck", { host: "192.0.2.7" })],
    0,
  ],
  ["an expected host healed by asking", [healed], [askResult("healed", named)], 0, {
    exchange: { expected: expectedOf("web1\nprinter1") },
  }],
  ["a pinned host healed by asking alone", [healed], [askResult("healed", named)], 3, {
    exchange: { expected: expectedOf(`web1\nprinter1 ${formatKey("host", hostKey(9))}`) },
  }],
  ["an expected host was not asked", [], [askResult("not asked", named)], 4],
  ["an unexpected one was not asked", [], [askResult("not asked")], 3],
  ["as many as were expected answered or were asked", [healed], [askResult("ok")], 0, count(2)],
  ["nothing but ARP was sent", [], [askResult("healed")], 0, noDatagram, nowhere],
  ["there was nobody to ask", [], [], 1, noDatagram, nowhere],
];
for (const [what, answers, asked, code, plan, record] of askCodes) {
  Deno.test(`outcomeOf() with --ask gives exit code ${code} when ${what}`, () => {
    assert.equal(outcome(answers, plan, record, asked).exitCode, code);
  });
}

Deno.test("outcomeOf() names the missing of those expected, and counts them", () => {
  const { missing, missingCount } = outcome([healed], expected("web1\ndb2\ncache9"));
  assert.deepEqual([missing.map(({ label }) => label), missingCount], [["db2", "cache9"], 2]);
});

Deno.test("outcomeOf() counts a host that was asked once, whoever expects it", () => {
  const key = formatKey("host", hostKey(9));
  const plans = [{}, expected("printer1"), expected(`printer1 ${key}`)];
  for (const verdict of ["no answer", "not asked"] as const) {
    const counts = plans.map((plan) =>
      [...verdictCounts(outcome([], plan, {}, [askResult(verdict, named)])).keys()].join()
    );
    // A pinned host's key has to answer.
    const pinned = verdict === "not asked" ? "missing" : verdict;
    assert.deepEqual(counts, [verdict, verdict, pinned]);
  }
});

Deno.test("outcomeOf() takes nobody for missing in a run that was ended, and says who wasn't heard", () => {
  const ends = [
    [{}, []],
    [expected("WEB1\ncache9"), ["not heard until then: cache9"]],
    [count(3), ["not heard until then: 2 hosts"]],
  ] as const;
  for (const [plan, unheard] of ends) {
    const ended = outcome([healed], plan, { endedEarly: "interrupted" });
    assert.deepEqual([ended.missing, ended.missingCount], [[], 0]);
    assert.deepEqual(ended.hindrances, ["ended early: interrupted", ...unheard]);
  }
});

Deno.test("outcomeOf() puts the worst host first", () => {
  const { hosts } = outcome([healed, failed, stuck]);
  assert.deepEqual(hosts.map(({ name }) => name), ["db1", "win1", "web1"]);
});
