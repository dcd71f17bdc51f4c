import assert from "node:assert/strict";
import type { ReceivedAck } from "../../../lib/sender/hosts.ts";
import { type Outcome, outcomeOf } from "../../../lib/sender/outcome.ts";
import type { Plan } from "../../../lib/sender/preparation.ts";
import { LiveTable, severityOf, summaryLine, tableLines } from "../../../lib/sender/table.ts";
import { createTestTime } from "../../support/test_time.ts";
import {
  ack,
  failed,
  healed,
  key,
  plannedRequest,
  planOf,
  received,
  recordOf,
  report,
  stuck,
  targetRecord,
} from "./helpers.ts";

function outcome(acks: ReceivedAck[], plan: Partial<Plan> = {}): Outcome {
  return outcomeOf(planOf(plan), recordOf(acks));
}

const names = (...names: string[]) => ({ kind: "names", names }) as const;
const plain = { color: false, columns: null };
const to = { id: new Uint8Array(16) };

Deno.test("tableLines() aligns a row for each host and each missing name, and sums up", () => {
  const twice = { ...stuck, address: "198.51.100.8", ms: 650 };
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
  const probe = { ...plannedRequest, action: "probe" } as const;
  const alive = ack(to, "alive", { host: "web1", entries: 9 });
  const plan = { content: { kind: "signed", key, requests: [probe] } } as const;
  const behind = received("192.0.2.7", alive, { ms: 2, clock: { ms: -12, errorMs: 1 } });
  assert.deepEqual(tableLines(outcome([behind], plan), plain), [
    "HOST  ADDRESS    MS  ENTRIES  CLOCK         STATE",
    "web1  192.0.2.7   2        9  12 ms behind  alive",
    "Probe: 5 copies to 192.0.2.255; 1 host answered: 1 alive",
  ]);
  const off = { ...healed, clock: { ms: 600_000, errorMs: 1 } };
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
  const many = Array.from(
    { length: 10 },
    (_, i) => received(`192.0.2.${i}`, ack(to, "failed", { host: `h${i}`, error: 1 })),
  );
  const line = summaryLine(outcome(many));
  assert.match(line, /; h0 FAILED, error 1, .*h7 FAILED, error 1 and 2 more$/);
});

Deno.test("summaryLine() says why nothing was sent", () => {
  const targets = [targetRecord("192.0.2.255", { sent: 0, error: "Network is unreachable" })];
  assert.equal(
    summaryLine(outcomeOf(planOf({ faults: ["No interface e9"] }), recordOf([], { targets }))),
    "Flush not sent; cannot send to 192.0.2.255: Network is unreachable; No interface e9",
  );
});

Deno.test("severityOf() warns of an incomplete run", () => {
  assert.deepEqual(([0, 1, 2, 3] as const).map(severityOf), ["info", "error", "error", "warning"]);
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

Deno.test("LiveTable draws over itself, not too often, and leaves the whole table at the end", () => {
  const time = createTestTime();
  const written: string[] = [];
  const screen = {
    color: false,
    size: () => ({ columns: 40, rows: 6 }),
    write: (text: string) => void written.push(text),
  };
  const acks: ReceivedAck[] = [];
  const table = new LiveTable(() => outcome(acks), screen, time.after);
  assert.deepEqual(screenAfter(written.join("")), ["Flush: 5 copies to 192.0.2.255; 0 hosts", ""]);
  const reports = [report("neighbor", "02:00:00:00:00:02")];
  for (let i = 0; i < 9; i++) {
    const flushed = ack(to, "flushed", { host: `h${i}`, reports });
    acks.push(received(`192.0.2.${i}`, flushed, { ms: i }));
    table.update();
  }
  time.pass(60);
  assert.equal(written.length, 2);
  assert.deepEqual(screenAfter(written.join("")), [
    "HOST  ADDRESS    MS  REMOVED  STATE",
    "h0    192.0.2.0   0        0  healed",
    "… 8 more",
    "Flush: 5 copies to 192.0.2.255; 9 hosts",
    "",
  ]);
  table.update();
  table.finish(outcome(acks));
  assert.deepEqual(screenAfter(written.join("")), [...tableLines(outcome(acks), plain), ""]);
});
