import type { LogRecord, Sink } from "@logtape/logtape";
import assert from "node:assert/strict";
import { type LogOptions, openLog } from "../../../lib/log/logging.ts";

/** A stream in memory whose writes end when told. */
function createStream(bytesAtOnce = Infinity) {
  let text = "", blocked: (() => void) | null = null, isBlocked = false;
  let failure: Error | null = null;
  return {
    text: () => text,
    lines: () => text.split("\n").slice(0, -1),
    block: () => void (isBlocked = true),
    unblock() {
      isBlocked = false;
      blocked?.();
    },
    fail: (error: Error | null) => void (failure = error),
    async write(bytes: Uint8Array): Promise<number> {
      if (isBlocked) await new Promise<void>((resolve) => blocked = resolve);
      if (failure !== null) throw failure;
      const count = Math.min(bytes.length, bytesAtOnce);
      text += new TextDecoder().decode(bytes.subarray(0, count));
      return count;
    },
  };
}

const text = { LogLevel: "info", LogFormat: "text" } as const;
const json = { LogLevel: "info", LogFormat: "json" } as const;
const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
const flushed = { scope: "all", who: "r1", removed: 1, milliseconds: 2.5 };

Deno.test("openLog() writes text with time, level, name and number of the event", async () => {
  for (const [options, mark] of [[{}, ""], [{ simulated: true }, "\\[simulated\\] "]] as const) {
    const stderr = createStream();
    const log = openLog({ stderr, ...options });
    log.configure(text)("flushed", flushed);
    await log.drain(1_000);
    const message = "Flushed all for r1: 1 entries removed in 2.5 ms";
    assert.match(stderr.text(), new RegExp(`^${time} info flushed \\(10\\): ${mark}${message}\n$`));
  }
});

Deno.test("openLog() writes one JSON document a line, with the values one by one", async () => {
  for (const [simulated, logger] of [[false, "arpflush"], [true, "arpflush.simulated"]] as const) {
    const stderr = createStream();
    const log = openLog({ stderr, simulated });
    log.configure(json)("flushed", flushed);
    await log.drain(1_000);
    const { "@timestamp": timestamp, ...document } = JSON.parse(stderr.lines()[0]);
    assert.match(timestamp, new RegExp(`^${time}$`));
    assert.deepEqual(document, {
      level: "INFO",
      message: 'Flushed "all" for "r1": 1 entries removed in 2.5 ms',
      logger,
      properties: { event: "flushed", id: 10, ...flushed },
    });
  }
});

Deno.test("openLog() says at each level what is as severe or more", async () => {
  const counts = { error: 1, warning: 2, info: 3, debug: 4 } as const;
  const stderr = createStream();
  const log = openLog({ stderr });
  for (const LogLevel of ["error", "warning", "info", "debug"] as const) {
    const before = stderr.lines().length;
    const report = log.configure({ LogLevel, LogFormat: "text" });
    for (const event of ["flushFailed", "refused", "flushed", "accepted"] as const) report(event);
    await log.drain(1_000);
    assert.equal(stderr.lines().length - before, counts[LogLevel], LogLevel);
  }
});

/** The records that a sink beside stderr gets. */
function keepRecords(others: readonly Sink[] = [], options: LogOptions = {}) {
  const records: LogRecord[] = [];
  const keep: Sink = (record) => void records.push(record);
  const log = openLog({ stderr: createStream(), sinks: [...others, keep], ...options });
  return { log, records };
}

Deno.test("openLog() gives every sink each event once, by reports from before a reload too", () => {
  const { log, records } = keepRecords();
  const first = log.configure(text);
  const second = log.configure(text);
  first("stopped");
  second("flushNote", { note: "put back" });
  assert.deepEqual(records.map(({ properties }) => properties), [
    { event: "stopped", id: 2 },
    { event: "flushNote", id: 12, note: "put back" },
  ]);
});

Deno.test("openLog() survives sinks that throw and gives the others the event", () => {
  const broken: Sink = () => {
    throw new Error("disk full");
  };
  const { log, records } = keepRecords([broken]);
  log.configure(text)("stopped");
  assert.equal(records.length, 1);
});

Deno.test("openLog() lets no control character of a value into the log, nor a line of its own", async () => {
  const note = "one\ntwo\u001b[31m\u2028three\u009b\u202e\r";
  const shown = "one?two?[31m?three???";
  for (const settings of [text, json]) {
    const stderr = createStream();
    const { log, records } = keepRecords([], { stderr });
    log.configure(settings)("flushNote", { note });
    await log.drain(1_000);
    assert.equal(records[0].properties.note, shown);
    assert.ok(stderr.text().includes(shown), stderr.text());
    assert.equal(stderr.lines().length, 1);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(stderr.text().slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
  }
});

/** Reports of a log whose stderr is a stream in memory; each is a note. */
function noteOn(stderr: ReturnType<typeof createStream>) {
  const log = openLog({ stderr });
  const report = log.configure(text);
  const notes = () => stderr.lines().map((line) => line.replace(/^.*\): Flush: /, ""));
  return { log, note: (note: string) => report("flushNote", { note }), notes };
}

Deno.test("openLog() writes lines whole and in order, however little is taken at once", async () => {
  const { log, note, notes } = noteOn(createStream(3));
  for (const text of ["one", "two", "three"]) note(text);
  await log.drain(1_000);
  assert.deepEqual(notes(), ["one", "two", "three"]);
});

Deno.test("openLog() never waits for stderr, and says how many lines were lost", async () => {
  const stderr = createStream();
  const { log, note, notes } = noteOn(stderr);
  stderr.block();
  for (let i = 0; i < 10_500; i++) note(`line ${i}`);
  stderr.unblock();
  await log.drain(1_000);
  note("next");
  await log.drain(1_000);
  const lines = notes();
  const remark = / linesLost \(48\): Left out (\d+) lines of the log: it is written too slowly$/;
  const remarks = lines.flatMap((line) => remark.exec(line)?.[1] ?? []).map(Number);
  const written = lines.filter((line) => !remark.test(line));
  // One is under way while 10,000 wait.
  assert.deepEqual(remarks, [499]);
  assert.equal(written.length, 10_002);
  assert.deepEqual([written[10_000], written[10_001]], ["line 10000", "next"]);
});

Deno.test("openLog() goes on after writes that fail", async () => {
  const stderr = createStream();
  const { log, note, notes } = noteOn(stderr);
  stderr.fail(new Error("No space left on device"));
  note("lost");
  await log.drain(1_000);
  stderr.fail(null);
  note("there is space again");
  await log.drain(1_000);
  assert.deepEqual(notes(), ["there is space again"]);
});

Deno.test("openLog() drains a stuck stderr no longer than told", async () => {
  const stderr = createStream();
  const { log, note, notes } = noteOn(stderr);
  stderr.block();
  note("stuck");
  await log.drain(10);
  assert.equal(stderr.text(), "");
  stderr.unblock();
  await log.drain(1_000);
  assert.deepEqual(notes(), ["stuck"]);
});
