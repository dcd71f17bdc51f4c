import assert from "node:assert/strict";
import { LiveTable, tableLines } from "../../../lib/sender/table.ts";
import { createTestTime } from "../../support/test_time.ts";
import { answer, reports } from "./answers.ts";
import { type Answered, askResult, expectedOf, failed, healed, outcome, stuck } from "./helpers.ts";
import { planned, signed } from "./virtual_run.ts";

const plain = { color: false, columns: null };
const expected = (text: string) => ({ exchange: { expected: expectedOf(text) } });

Deno.test("tableLines() aligns a row for each host, the worst first, and each missing name", () => {
  const twice = { ...stuck, answer: { ...stuck.answer, address: "198.51.100.8", ms: 650 } };
  const all = outcome(
    [healed, stuck, twice, failed],
    expected("web1\ncache9 192.0.2.77 2001:db8::77"),
  );
  assert.deepEqual(tableLines(all, plain), [
    "HOST    ADDRESS         MS  REMOVED  STATE",
    "db1     192.0.2.8 +1   640       12  STUCK 192.0.2.1 at 02:00:00:00:00:01",
    "win1    192.0.2.9        3        -  FAILED, error 5",
    "web1    192.0.2.7       12        7  healed",
    "cache9  192.0.2.77 +1                missing",
    "Flush: 5 copies to 192.0.2.255; 3 hosts answered: 1 STUCK, 1 failed, 1 healed, 1 missing; " +
    "db1 STUCK 192.0.2.1 at 02:00:00:00:00:01, win1 FAILED, error 5, cache9 missing",
  ]);
});

Deno.test("tableLines() has hosts with and without a service, what is wrong first", () => {
  const linkLayerAddress = Uint8Array.of(2, 0, 0, 0, 0, 9);
  const asked = [
    askResult("ok", { host: "192.0.2.51" }),
    askResult("stuck", { host: "192.0.2.52", linkLayerAddress }),
    askResult("no answer", { host: "192.0.2.53" }),
    askResult("no answer", { host: "192.0.2.54", name: "tv\x1b", expected: true }),
    askResult("asked", { host: "192.0.2.55" }),
    askResult("not asked", { host: "192.0.2.56" }),
  ];
  assert.deepEqual(tableLines(outcome([healed], {}, {}, asked), plain), [
    "HOST        ADDRESS     MS  REMOVED  STATE",
    "192.0.2.52  192.0.2.52   5        -  STUCK 192.0.2.1 at 02:00:00:00:00:09",
    "tv?         192.0.2.54   5        -  no answer when asked",
    "web1        192.0.2.7   12        7  healed",
    "192.0.2.55  192.0.2.55   5        -  asked, took it, proved nothing",
    "192.0.2.51  192.0.2.51   5        -  ok",
    "Flush: 5 copies to 192.0.2.255; 1 host answered, 4 hosts were asked: 1 healed, 1 STUCK, " +
    "1 without answer, 1 not asked, 1 asked without proof, 1 ok; 192.0.2.52 STUCK 192.0.2.1 at " +
    "02:00:00:00:00:09, tv? no answer when asked",
  ]);
});

Deno.test("tableLines() shows the sending machine apart", () => {
  const lines = tableLines(outcome([healed], {}, { own: "192.0.2.7" }), plain);
  assert.match(lines[1], /healed \(this machine\)$/);
  assert.match(lines[2], /0 hosts answered: 1 missing/);
});

Deno.test("tableLines() shows clocks to a probe, and when one is off", () => {
  const behind: Answered = {
    key: 1,
    answer: {
      ...answer("alive", [reports.own], { host: "web1", entries: 9, address: "192.0.2.7" }),
      ms: 2,
      clock: { ms: -12, errorMs: 1 },
    },
  };
  const plan = { exchange: { content: signed(planned({ action: "probe" })) } };
  assert.deepEqual(tableLines(outcome([behind], plan), plain).slice(0, 2), [
    "HOST  ADDRESS    MS  ENTRIES  CLOCK         STATE",
    "web1  192.0.2.7   2        9  12 ms behind  healed",
  ]);
  const off = { ...healed, answer: { ...healed.answer, clock: { ms: 600_000, errorMs: 1 } } };
  assert.match(tableLines(outcome([off]), plain)[1], /600\.0 s ahead {2}healed$/);
});

Deno.test("tableLines() is the summary alone when there is nobody to list", () => {
  assert.deepEqual(tableLines(outcome([]), plain), [
    "Flush: 5 copies to 192.0.2.255; 0 hosts answered: 1 missing; no ack came in: a firewall here " +
    "must let in UDP to ports 27736 to 27799",
  ]);
  const own = { options: { sourcePorts: { first: 5_000, last: 5_000 } } };
  assert.match(tableLines(outcome([], own), plain)[0], /must let in UDP to port 5000$/);
});

Deno.test("tableLines() colors states when asked to, and cuts lines without cutting colors", () => {
  const all = outcome([healed, stuck]);
  const [heading, second, first] = tableLines(all, { color: true, columns: 20 });
  assert.equal(heading, "\x1b[1mHOST  ADDRESS     MS\x1b[0m");
  assert.equal(first, "\x1b[32mweb1  192.0.2.7   12\x1b[0m");
  assert.equal(second, "\x1b[31mdb1   192.0.2.8  640\x1b[0m");
  assert.ok(!tableLines(all, plain).join("").includes("\x1b"));
});

Deno.test("tableLines() aligns and cuts letters that are two columns wide", () => {
  const asia: Answered = {
    key: 1,
    answer: {
      ...answer("flushed", [reports.own], { host: "東京01", address: "192.0.2.7" }),
      ms: 2,
    },
  };
  const [heading, host] = tableLines(outcome([asia]), plain);
  assert.match(heading, /^HOST {4}ADDRESS/);
  assert.match(host, /^東京01 {2}192\.0\.2\.7/);
  const cut = (columns: number) => tableLines(outcome([asia]), { color: false, columns })[1];
  assert.deepEqual([cut(3), cut(4), cut(5)], ["東", "東京", "東京0"]);
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
  const acks: Answered[] = [];
  const table = new LiveTable(() => outcome(acks), screen, time.after);
  assert.deepEqual(screenAfter(written.join("")), ["Flush: 5 copies to 192.0.2.255; 0 hosts", ""]);
  for (let i = 0; i < 9; i++) {
    const given = { host: `h${i}`, address: `192.0.2.${i}` };
    acks.push({ key: 10 + i, answer: { ...answer("flushed", [reports.own], given), ms: i } });
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
