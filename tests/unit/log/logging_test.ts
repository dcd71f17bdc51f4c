import assert from "node:assert/strict";
import {
  configureLog,
  createLineSink,
  type LineWriter,
  type LogEntry,
} from "../../../lib/log/logging.ts";

/** A writer that keeps its lines. */
function keepLines(): LineWriter & { lines: string[] } {
  const lines: string[] = [];
  return { lines, write: (line) => void lines.push(line), flush: () => Promise.resolve() };
}

const entry: LogEntry = {
  time: 1_700_000_000_000,
  event: "flushed",
  text: "Flushed all for r1: 1 entries removed in 2 ms",
  values: { scope: "all", who: "r1", removed: 1, milliseconds: 2 },
};

Deno.test("createLineSink() writes text with time, severity, name and id of the event", () => {
  const writer = keepLines();
  createLineSink(writer, "text", false)(entry);
  createLineSink(writer, "text", true)(entry);
  assert.deepEqual(writer.lines, [
    "2023-11-14T22:13:20.000Z information flushed (10): " +
    "Flushed all for r1: 1 entries removed in 2 ms",
    "2023-11-14T22:13:20.000Z information flushed (10): " +
    "[simulated] Flushed all for r1: 1 entries removed in 2 ms",
  ]);
});

Deno.test("createLineSink() writes one JSON document a line", () => {
  const writer = keepLines();
  createLineSink(writer, "json", false)(entry);
  createLineSink(writer, "json", true)(entry);
  const expected = {
    time: "2023-11-14T22:13:20.000Z",
    severity: "information",
    id: 10,
    event: "flushed",
    text: entry.text,
    values: entry.values,
  };
  assert.deepEqual(writer.lines.map((line) => JSON.parse(line)), [
    expected,
    { ...expected, simulated: true },
  ]);
});

Deno.test("configureLog() says at each level what is as severe or more", () => {
  const said: string[] = [];
  const sinks = [({ event }: LogEntry) => void said.push(event)];
  const counts = { error: 1, warning: 2, info: 3, debug: 4 } as const;
  for (const level of ["error", "warning", "info", "debug"] as const) {
    said.length = 0;
    const report = configureLog({ level, sinks });
    for (const event of ["flushFailed", "refused", "flushed", "accepted"] as const) report(event);
    assert.equal(said.length, counts[level], level);
  }
});

Deno.test("configureLog() gives every sink each event once, also after it is configured again", () => {
  const first: LogEntry[] = [], second: LogEntry[] = [];
  const sinks = [(e: LogEntry) => void first.push(e), (e: LogEntry) => void second.push(e)];
  configureLog({ level: "info", sinks });
  const report = configureLog({ level: "info", sinks });
  report("flushNote", { note: "put back" });
  assert.equal(first.length, 1);
  assert.equal(second.length, 1);
  assert.equal(first[0].text, "Flush: put back");
  assert.deepEqual(first[0].values, { note: "put back" });
});

Deno.test("configureLog() survives sinks that throw and gives the others the event", () => {
  const said: LogEntry[] = [];
  const report = configureLog({
    level: "info",
    sinks: [() => {
      throw new Error("disk full");
    }, (e) => void said.push(e)],
  });
  report("stopped");
  assert.equal(said.length, 1);
});

Deno.test("configureLog() lets no control character of a value into the log", () => {
  const said: LogEntry[] = [];
  const report = configureLog({ level: "info", sinks: [(e) => void said.push(e)] });
  report("flushNote", { note: "one\ntwo\u001b[31m\u2028three" });
  assert.equal(said[0].text, "Flush: one?two?[31m?three");
  assert.deepEqual(said[0].values, { note: "one?two?[31m?three" });
});
