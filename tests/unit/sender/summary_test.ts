import assert from "node:assert/strict";
import {
  hostVerdicts,
  offsetText,
  severityOf,
  stateText,
  summaryLine,
  verdictCounts,
} from "../../../lib/sender/summary.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { formatKey } from "../../../lib/wire/keys.ts";
import { answer, asked, reports } from "./answers.ts";
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

/** A host by its number that failed. */
const broken = (n: number): Answered => ({
  key: 10 + n,
  answer: answer("failed", [], { host: `h${n}`, error: 1, address: `192.0.2.${n}` }),
});

/** What a host with one answer is called. */
function textOf(given: Answered["answer"], options: Parameters<typeof asked>[1] = {}): string {
  const requests = [asked("01", options)];
  return stateText(outcome([{ key: 4, answer: given }], {}, { requests }).hosts[0]);
}

const late = { ...answer("stale"), clock: { ms: 600_000, errorMs: 1 } };
const texts: [given: Answered["answer"], text: string][] = [
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
    textOf(answer("flushed", given), { addresses }),
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

Deno.test("hostVerdicts() says of each host what it is, under which name, and where it is stuck", () => {
  const ended = outcome([healed, stuck], {
    exchange: { expected: expectedOf("WEB1.example.org\ncache9") },
  });
  const common = { expectedName: null, isGood: false, stuck: [] };
  const text = "STUCK 192.0.2.1 at 02:00:00:00:00:01";
  const fields = hostVerdicts(ended).map((
    { name, expectedName, verdict, text, isGood, stuck },
  ) => ({
    name,
    expectedName,
    verdict,
    text,
    isGood,
    stuck,
  }));
  const web1 = { name: "web1", expectedName: "WEB1.example.org", isGood: true };
  assert.deepEqual(fields, [
    { ...common, name: "db1", verdict: "stuck", text, stuck: ["192.0.2.1"] },
    { ...common, ...web1, verdict: "healed", text: "healed" },
    { ...common, name: "cache9", expectedName: "cache9", verdict: "missing", text: "missing" },
  ]);
});

Deno.test("hostVerdicts() says of a host that was asked where it is stuck, and of no idle address", () => {
  const linkLayerAddress = Uint8Array.of(2, 0, 0, 0, 0, 9);
  const other = { address: parsePrefix("192.0.2.2") };
  const unseen = { host: "192.0.2.51", name: "tv", expected: true };
  const verdicts = hostVerdicts(outcome([], {}, {}, [
    askResult("stuck", { linkLayerAddress }),
    askResult("ok", other),
    askResult("stuck", { ...unseen, ...other }),
    askResult("not asked", { host: "192.0.2.52" }),
  ]));
  assert.deepEqual(verdicts.map(({ id, name, text, stuck }) => [id, name, text, ...stuck]), [
    ["192.0.2.50", "192.0.2.50", "STUCK 192.0.2.1 at 02:00:00:00:00:09", "192.0.2.1"],
    ["tv", "tv", "STUCK 192.0.2.2", "192.0.2.2"],
  ]);
});

Deno.test("verdictCounts() counts those that are missing without a name", () => {
  assert.deepEqual([
    ...verdictCounts(outcome([healed, stuck], { exchange: { expected: countOf(4) } })),
  ], [
    ["stuck", 1],
    ["healed", 1],
    ["missing", 2],
  ]);
});

Deno.test("summaryLine() names eight hosts, the worst first, and counts the rest", () => {
  const many = [...Array.from({ length: 10 }, (_, i) => broken(i)), stuck];
  const line = summaryLine(outcome(many));
  assert.match(line, /; db1 STUCK [^,]*, h0 FAILED, error 1, .*h6 FAILED, error 1 and 3 more$/);
});

const down = { sent: 0, error: "Down" };
const reached = [
  targetOutcome("192.0.2.255"),
  targetOutcome("web1", { sent: 0 }),
  targetOutcome("web2", { sent: 3, error: "Down" }),
  targetOutcome("web3", down),
];
const none = { exchange: { content: { kind: "none", isProbe: false } } } as const;
const pinned = expectedOf(`web1 ${formatKey("host", hostKey(9))}`);
const twin = { ...failed, answer: answer("failed", [], { host: "web1", address: "192.0.2.9" }) };
const onePort = { options: { sourcePorts: { first: 5_000, last: 5_000 } } };

/** What ended how, and the end of its line. */
const lines: [what: string, Parameters<typeof outcome>, end: string][] = [
  [
    "where to",
    [[healed], {}, { targets: reached }],
    "to 192.0.2.255, web1, web2; 1 host answered: 1 healed; cannot send to web3: Down",
  ],
  [
    "why nothing was sent, and of no firewall",
    [[], { faults: ["No e9"] }, { targets: [targetOutcome("192.0.2.255", down)] }],
    "Flush not sent; cannot send to 192.0.2.255: Down; No e9",
  ],
  [
    "that no datagram was",
    [[], none, { targets: [] }, [askResult("ok")]],
    "No datagram; 1 host was asked: 1 ok",
  ],
  [
    "nothing of a firewall where hosts were asked",
    [[], {}, {}, [askResult("no answer")]],
    "0 hosts answered: 1 missing",
  ],
  [
    "that nobody else was heard",
    [[healed], {}, { own: "192.0.2.7" }],
    "no ack came in from others: a firewall here must let in UDP to ports 27736 to 27799",
  ],
  [
    "where acks went",
    [[healed], {}, { strayPorts: new Set([40_000]) }],
    "acks went to port 40000, since 27736 to 27799 were taken",
  ],
  [
    "which port was taken",
    [[healed], onePort, { strayPorts: new Set([40_000]) }],
    "since 5000 was taken",
  ],
  [
    "who uses another's name",
    [[healed], { exchange: { expected: pinned } }],
    "web1 missing; a pinned name was used by another key at 192.0.2.7",
  ],
  ["that two hosts have one name", [[healed, twin]], "several hosts are named web1"],
  [
    "from where else acks came",
    [[healed], {}, { elsewhere: new Map([["198.51.100.7", 2]]) }],
    "acks from where nothing was sent to: 198.51.100.7",
  ],
  ["what was not verified", [[healed], {}, { unverified: 3 }], "3 acks were not verified in time"],
  [
    "what was not counted",
    [[healed], {}, { uncounted: new Map([["too many hosts", 4]]) }],
    "4 acks of further hosts not counted",
  ],
  [
    "what came too fast",
    [[healed], {}, { uncounted: new Map([["too many at once", 1]]) }],
    "1 ack came too fast to be verified",
  ],
  ["what hinders the report", [[healed], { hindrances: ["No file"] }], "No file"],
];
for (const [what, ended, end] of lines) {
  Deno.test(`summaryLine() says ${what}`, () => {
    const line = summaryLine(outcome(...ended));
    assert.equal(line.slice(-end.length), end);
  });
}

Deno.test("summaryLine() says of addresses that have left what is good, and of nobody that he is stuck or missing", () => {
  const fields = { endedEarly: "192.0.2.1 has left e0", hasLostAddresses: true };
  for (const [answers, text] of [[[healed, stuck], "1 healed; "], [[], ""]] as const) {
    const line = summaryLine(outcome(answers, { exchange: { expected: countOf(3) } }, fields));
    const end = `${text}ended early: 192.0.2.1 has left e0`;
    assert.ok(line.endsWith(`192.0.2.255; ${end}`), line);
  }
});

Deno.test("severityOf() warns of an incomplete run", () => {
  const severities = ([0, 1, 2, 3, 4] as const).map(severityOf);
  assert.deepEqual(severities, ["info", "error", "error", "warning", "warning"]);
});
