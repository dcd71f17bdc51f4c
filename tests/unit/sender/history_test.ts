import fc from "fast-check";
import assert from "node:assert/strict";
import { RunError } from "../../../lib/errors.ts";
import { historyLine, historyLines, parseHistory } from "../../../lib/sender/history.ts";
import { expectedOf, healed, outcome, runOf, stuck } from "./helpers.ts";

const onE0 = { interfaceNames: ["e0"] };
const mixed = outcome([healed, stuck], { exchange: { expected: expectedOf("web1\ncache9\ndb1") } });
const line = historyLine(runOf(mixed, onE0));
const failure = historyLine(
  runOf(new RunError('Cannot read key file "k": x\ny', 2), { action: "probe" }),
);

Deno.test("historyLine() has what came of a run, in one line", () => {
  const { summary, ...entry } = JSON.parse(line);
  assert.match(summary, /^Flush: 5 copies to 192\.0\.2\.255; 2 hosts answered: 1 STUCK, 1 healed/);
  assert.deepEqual(entry, {
    version: 1,
    at: "2026-01-02T03:04:05.006Z",
    run: "failover",
    interfaces: ["e0"],
    exitCode: 3,
    durationMs: 6000,
    hosts: { stuck: 1, healed: 1, missing: 1 },
    wrong: [
      { host: "db1", verdict: "stuck", text: "STUCK 192.0.2.1 at 02:00:00:00:00:01" },
      { host: "cache9", verdict: "missing", text: "missing" },
    ],
  });
  assert.ok(!line.includes("\n") && !failure.includes("\n"));
});

Deno.test("historyLine() stays short whatever the number of hosts", () => {
  const names = Array.from({ length: 5_000 }, (_, i) => `missing-host-${i}`).join("\n");
  const ended = outcome([], { exchange: { expected: expectedOf(names) } });
  const text = historyLine(runOf(ended));
  assert.equal(JSON.parse(text).hosts.missing, 5_000);
  assert.ok(text.length < 8_000, `${text.length}`);
});

Deno.test("parseHistory() survives what was torn, and counts it", () => {
  const text = `\n${line}\n${line.slice(0, 40)}\n${failure}\n${line.slice(0, -1)}`;
  const { entries, unreadable } = parseHistory(text);
  assert.deepEqual(entries.map(({ run }) => run), ["failover", "drill"]);
  assert.equal(unreadable, 2);
});

Deno.test("parseHistory() takes no line that lacks a field or has one of another type", () => {
  const entry = JSON.parse(line);
  for (const name of Object.keys(entry)) {
    for (const value of [undefined, null, {}, [], [null], { a: "b" }, true]) {
      const { entries } = parseHistory(JSON.stringify({ ...entry, [name]: value }));
      const isAllowed = name === "hosts" && JSON.stringify(value) === "{}" ||
        ["wrong", "interfaces"].includes(name) && JSON.stringify(value) === "[]";
      assert.equal(entries.length, isAllowed ? 1 : 0, `${name} ${JSON.stringify(value)}`);
    }
  }
  for (const name of ["host", "verdict", "text"]) {
    const wrong = [{ ...entry.wrong[0], [name]: 1 }];
    assert.deepEqual(parseHistory(JSON.stringify({ ...entry, wrong })).entries, [], name);
  }
});

Deno.test("parseHistory() and historyLines() take any text", () => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(JSON.parse(line))));
  const entry = fc.record(
    Object.fromEntries(Object.keys(JSON.parse(line)).map((name) => [name, value])),
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), entry.map((one) => JSON.stringify(one)))),
      (lines) => {
        historyLines(parseHistory(lines.join("\n")).entries, false);
      },
    ),
  );
});

Deno.test("historyLines() shows a run a line: when, which, how it ended, and who is to be seen to", () => {
  const { entries } = parseHistory(`${failure}\n${line}`);
  const [heading, drill, failover, ...rest] = historyLines(entries, false);
  assert.equal(heading, "TIME                 RUN          EXIT  SECONDS  HOSTS");
  const time = "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:05";
  assert.match(
    drill,
    new RegExp(`^${time}  drill           2      0\\.0  Cannot read key file "k": x\\?y$`),
  );
  assert.match(
    failover,
    new RegExp(
      `^${time}  failover e0     3      6\\.0  1 STUCK, 1 healed, 1 missing: ` +
        "db1 STUCK 192\\.0\\.2\\.1 at 02:00:00:00:00:01, cache9 missing$",
    ),
  );
  assert.deepEqual(rest, []);
  const good = { ...entries[0], exitCode: 0, wrong: [], hosts: { alive: 2, stuck: 0 } };
  const shown = historyLines([...entries, good], true);
  const colors = ["\x1b[1mT", "\x1b[33m", "\x1b[31m", "\x1b[32m"];
  assert.deepEqual(shown.map((line) => line.slice(0, 5)), colors);
  assert.ok(shown[3].endsWith("  2 alive\x1b[0m"));
  assert.deepEqual(historyLines([], false), []);
});

Deno.test("historyLines() cleans names that somebody put into the file", () => {
  const evil = line.replaceAll("db1", "\\u001b[2Jdb1").replace("failover", "\\u0007drill");
  const shown = historyLines(parseHistory(evil).entries, false).join("\n");
  assert.doesNotMatch(shown, /(?!\n)\p{Cc}/u);
  assert.match(shown, /\[2Jdb1 STUCK/);
});
