import assert from "node:assert/strict";
import {
  type ExchangeRecord,
  type Host,
  noteAnswer,
  type TargetOutcome,
} from "../../../lib/sender/exchange.ts";
import {
  type Outcome,
  type OutcomeContext,
  outcomeOf,
  passwordOutcome,
} from "../../../lib/sender/outcome.ts";
import { jsonReport, startLiveTable } from "../../../lib/sender/report.ts";
import { severityOf, summaryLine, tableLines } from "../../../lib/sender/table.ts";
import { ownershipOf, parseHost } from "../../../lib/sender/targets.ts";
import type { FlushAck } from "../../../lib/wire/ack.ts";
import { ack, prefix, report, router } from "./helpers.ts";

const to = { id: new Uint8Array(16).fill(0xab) };
const own = report("neighbor", "02:00:00:00:00:02");
const foreign = report("neighbor", "02:00:00:00:00:01");

function context(changes: Partial<OutcomeContext> = {}): OutcomeContext {
  return {
    action: "flush all",
    keyId: "0a0b0c0d",
    addresses: [prefix("192.0.2.1")],
    ownership: ownershipOf(router, false),
    expectation: null,
    faults: [],
    ...changes,
  };
}

type Answered = [source: string, ms: number, ack: FlushAck, clockOffsetMs?: number];

function target(hostname: string, changes: Partial<TargetOutcome> = {}): TargetOutcome {
  return { target: parseHost(hostname), sent: 5, error: null, ...changes };
}

function record(answers: Answered[], targets = [target("192.0.2.255")]): ExchangeRecord {
  const hosts = new Map<string, Host>();
  for (const [address, ms, ack, clockOffsetMs = 0] of answers) {
    noteAnswer(hosts, { address, ms, ack, clockOffsetMs });
  }
  return {
    created: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    id: to.id,
    copies: 5,
    targets,
    hosts,
    ignored: new Map([["mac", 2]]),
    elapsedMs: 6000.1234,
  };
}

const healed: Answered = [
  "192.0.2.7",
  12.4,
  ack(to, "flushed", { host: "web1", entries: 7, micros: 800, reports: [own] }),
];
const stuck: Answered = [
  "192.0.2.8",
  640,
  ack(to, "flushed", { host: "db1", entries: 12, reports: [foreign] }),
];
const failed: Answered = ["192.0.2.9", 3, ack(to, "failed", { host: "win1", error: 5 })];

function outcome(answers: Answered[], changes: Partial<OutcomeContext> = {}): Outcome {
  return outcomeOf(record(answers), context(changes));
}

const names = (...names: string[]) => ({ kind: "names", names }) as const;

/** What ended how, and the exit code. */
const codes: [string, Outcome, number][] = [
  ["one host healed, none expected by name", outcome([healed]), 0],
  ["nobody answered", outcome([]), 3],
  ["a host is stuck", outcome([healed, stuck]), 3],
  ["a host failed", outcome([healed, failed]), 3],
  ["an expected host is missing", outcome([healed], { expectation: names("web1", "db2") }), 3],
  ["the expected hosts healed", outcome([healed], { expectation: names("WEB1") }), 0],
  ["too few hosts answered", outcome([healed], { expectation: { kind: "count", count: 2 } }), 3],
  [
    "a host that nobody expected is stuck",
    outcome([healed, stuck], { expectation: names("web1") }),
    3,
  ],
  ["an interface that was named can't be used", outcome([healed], { faults: ["No e9"] }), 3],
  [
    "a target that --all found couldn't be reached",
    outcomeOf(
      record([healed], [
        target("192.0.2.255"),
        { target: { ...parseHost("10.0.0.255"), named: false }, sent: 0, error: "Down" },
      ]),
      context(),
    ),
    0,
  ],
  [
    "a target that was named couldn't be reached",
    outcomeOf(
      record([healed], [target("web1"), target("web2", { sent: 0, error: "Down" })]),
      context(),
    ),
    3,
  ],
  [
    "nothing could be sent",
    outcomeOf(record([], [target("192.0.2.255", { sent: 0, error: "Down" })]), context()),
    1,
  ],
  [
    "a password was sent",
    passwordOutcome({ created: 0, elapsedMs: 0, copies: 5, targets: [target("web1")], faults: [] }),
    0,
  ],
  [
    "a password could not be sent",
    passwordOutcome({
      created: 0,
      elapsedMs: 0,
      copies: 5,
      targets: [target("web1", { sent: 0 })],
      faults: [],
    }),
    1,
  ],
];
for (const [what, { exitCode }, code] of codes) {
  Deno.test(`outcomeOf() gives exit code ${code} when ${what}`, () => {
    assert.equal(exitCode, code);
  });
}

const plain = { color: false, columns: null };

Deno.test("tableLines() aligns a row for each host and each missing name, and sums up", () => {
  const twice: Answered = ["198.51.100.8", 650, stuck[2]];
  const all = outcome([healed, stuck, twice, failed], { expectation: names("web1", "cache9") });
  assert.deepEqual(tableLines(all, plain), [
    "HOST    ADDRESS        MS  REMOVED  STATE",
    "web1    192.0.2.7      12        7  healed",
    "db1     192.0.2.8 +1  640       12  STUCK 192.0.2.1 at 02:00:00:00:00:01",
    "win1    192.0.2.9       3        -  FAILED, error 5",
    "cache9                              missing",
    "Flush: 5 copies to 192.0.2.255; 3 hosts answered: 1 healed, 1 STUCK, 1 failed, 1 missing; " +
    "db1 STUCK 192.0.2.1 at 02:00:00:00:00:01, win1 FAILED, error 5, cache9 missing",
  ]);
});

Deno.test("tableLines() shows clocks to a probe, and when one is off", () => {
  const alive: Answered = ["192.0.2.7", 2, ack(to, "alive", { host: "web1", entries: 9 }), -12];
  assert.deepEqual(tableLines(outcome([alive], { action: "probe" }), plain), [
    "HOST  ADDRESS    MS  ENTRIES  CLOCK         STATE",
    "web1  192.0.2.7   2        9  12 ms behind  alive",
    "Probe: 5 copies to 192.0.2.255; 1 host answered: 1 alive",
  ]);
  const off: Answered = [healed[0], healed[1], healed[2], 600_000];
  assert.match(tableLines(outcome([off]), plain)[1], /600\.0 s ahead {2}healed$/);
});

Deno.test("tableLines() is the summary alone when there is nobody to list", () => {
  assert.deepEqual(tableLines(outcome([]), plain), [
    "Flush: 5 copies to 192.0.2.255; 0 hosts answered: 1 missing",
  ]);
});

Deno.test("tableLines() colors states when asked to, and cuts lines without cutting colors", () => {
  const all = outcome([healed, stuck]);
  const [heading, first, second] = tableLines(all, { color: true, columns: 20 });
  assert.equal(heading, "\x1b[1mHOST  ADDRESS     MS\x1b[0m");
  assert.equal(first, "\x1b[32mweb1  192.0.2.7   12\x1b[0m");
  assert.equal(second, "\x1b[31mdb1   192.0.2.8  640\x1b[0m");
  assert.ok(!tableLines(all, plain).join("").includes("\x1b"));
});

Deno.test("summaryLine() names eight hosts and counts the rest", () => {
  const many = Array.from({ length: 10 }, (_, i): Answered => [
    `192.0.2.${i}`,
    1,
    ack(to, "failed", { host: `h${i}`, error: 1 }),
  ]);
  const line = summaryLine(outcome(many));
  assert.match(line, /; h0 FAILED, error 1, .*h7 FAILED, error 1 and 2 more$/);
});

Deno.test("summaryLine() says why nothing was sent", () => {
  const targets = [target("192.0.2.255", { sent: 0, error: "Network is unreachable" })];
  assert.equal(
    summaryLine(outcomeOf(record([], targets), context({ faults: ["No interface e9"] }))),
    "Flush not sent; cannot send to 192.0.2.255: Network is unreachable; No interface e9",
  );
});

Deno.test("severityOf() warns of an incomplete run", () => {
  assert.deepEqual(([0, 1, 2, 3] as const).map(severityOf), ["info", "error", "error", "warning"]);
});

Deno.test("jsonReport() holds every field", () => {
  const text = jsonReport(outcome([healed, stuck], { expectation: names("web1", "cache9") }));
  const { arpflush, summary, ...document } = JSON.parse(text);
  assert.match(arpflush, /^\d+\.\d+\.\d+$/);
  assert.match(summary, /^Flush: /);
  const host = { error: 0, clockOffsetMs: 0, repaired: false, acks: 1 };
  assert.deepEqual(document, {
    version: 1,
    exitCode: 3,
    action: "flush all",
    keyId: "0a0b0c0d",
    requestId: "ab".repeat(16),
    created: "2026-01-02T03:04:05.006Z",
    elapsedMs: 6000.123,
    addresses: ["192.0.2.1"],
    copies: 5,
    targets: [{ target: "192.0.2.255", interfaces: [], sent: 5, error: null }],
    faults: [],
    hosts: [{
      ...host,
      host: "web1",
      addresses: ["192.0.2.7"],
      state: "healed",
      ms: 12.4,
      entries: 7,
      flushMicros: 800,
      reports: [{
        address: "192.0.2.1",
        state: "neighbor",
        linkLayerAddress: "02:00:00:00:00:02",
        finding: "healed",
      }],
    }, {
      ...host,
      host: "db1",
      addresses: ["192.0.2.8"],
      state: "stuck",
      ms: 640,
      entries: 12,
      flushMicros: 0,
      reports: [{
        address: "192.0.2.1",
        state: "neighbor",
        linkLayerAddress: "02:00:00:00:00:01",
        finding: "stuck",
      }],
    }],
    missing: { count: 1, names: ["cache9"] },
    ignored: { mac: 2 },
  });
});

Deno.test("jsonReport() of a password has no request", () => {
  const sent = { created: 0, elapsedMs: 1, copies: 1, targets: [target("web1")], faults: [] };
  const { action, keyId, requestId, hosts } = JSON.parse(jsonReport(passwordOutcome(sent)));
  assert.deepEqual([action, keyId, requestId, hosts], ["password", null, null, []]);
});

/** What a terminal shows after sequences that go up some lines and clear from there to the end. */
function screenAfter(text: string): string[] {
  const lines = [""];
  let up = 0;
  for (const piece of text.split("\x1b[")) {
    if (/^\d+A$/.test(piece)) {
      up = parseInt(piece);
      continue;
    }
    const clears = up > 0 && piece.startsWith("J");
    if (clears) lines.splice(lines.length - 1 - up, Infinity, "");
    up = 0;
    const [first, ...rest] = (clears ? piece.slice(1) : piece).split("\n");
    lines[lines.length - 1] += first;
    lines.push(...rest);
  }
  return lines;
}

Deno.test("startLiveTable() draws over itself, and leaves the whole table at the end", async () => {
  let written = "";
  let drawn = Promise.withResolvers<void>();
  const screen = {
    color: false,
    size: () => ({ columns: 40, rows: 6 }),
    write(text: string) {
      written += text;
      drawn.resolve();
    },
  };
  const answers: Answered[] = [];
  const table = startLiveTable(() => outcome(answers), screen);
  assert.deepEqual(screenAfter(written), ["Flush: 5 copies to 192.0.2.255; 0 hosts", ""]);
  for (let i = 0; i < 9; i++) {
    answers.push([`192.0.2.${i}`, i, ack(to, "flushed", { host: `h${i}`, reports: [own] })]);
  }
  drawn = Promise.withResolvers();
  table.update();
  table.update();
  await drawn.promise;
  assert.deepEqual(screenAfter(written), [
    "HOST  ADDRESS    MS  REMOVED  STATE",
    "h0    192.0.2.0   0        0  healed",
    "… 8 more",
    "Flush: 5 copies to 192.0.2.255; 9 hosts",
    "",
  ]);
  table.update();
  table.finish(outcome(answers));
  assert.deepEqual(screenAfter(written), [...tableLines(outcome(answers), plain), ""]);
});
