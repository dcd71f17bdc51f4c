/** Records as the log hands them to its sinks. */
import type { LogRecord } from "@logtape/logtape";
import assert from "node:assert/strict";
import { type EventName, events, type EventValues } from "../../../lib/log/events.ts";
import { openLog } from "../../../lib/log/logging.ts";
import { createEventLogSink } from "../../../lib/log/windows_event_log.ts";

/** A sink over a Double of the event log, which fails as long as it is told to. */
function start() {
  const written: [type: number, id: number, text: string][] = [];
  const failures: unknown[] = [];
  const counts = { opened: 0, closed: 0 };
  const faults: { open?: Error; report?: Error } = {};
  const sink = createEventLogSink((error) => failures.push(error), () => {
    if (faults.open !== undefined) throw faults.open;
    counts.opened++;
    return {
      report(...entry) {
        if (faults.report !== undefined) throw faults.report;
        written.push(entry);
      },
      close: () => void counts.closed++,
    };
  });
  return { sink, written, failures, counts, faults };
}

Deno.test("createEventLogSink() writes each event under its number and type", () => {
  const { sink, written, failures, counts } = start();
  sink(recordOf("stopped"));
  sink(recordOf("flushNote", { note: "a note" }));
  sink(recordOf("listenFailed", { address: "::", port: 5, error: "in use" }));
  sink(recordOf("accepted", { action: "flush all", who: "r1" }));
  assert.deepEqual(written, [
    [4, 2, "Stopped"],
    [2, 12, "Flush: a note"],
    [1, 44, `Cannot listen on :: port 5: in use\r\n\r\n${events.listenFailed.advice}`],
  ]);
  assert.deepEqual([counts.opened, failures], [1, []]);
});

Deno.test("createEventLogSink() writes no % before a digit, which the event viewer would replace", () => {
  const { sink, written } = start();
  for (const note of ["fe80::1%12 is gone", "%1 %%2 100% %x", "%"]) {
    sink(recordOf("flushNote", { note }));
  }
  sink(recordOf("listenFailed", { address: "fe80::1%3", port: 5, error: "%1" }));
  assert.deepEqual(written.map(([, , text]) => text.split("\r\n")[0]), [
    "Flush: fe80::1% 12 is gone",
    "Flush: % 1 %% 2 100% %x",
    "Flush: %",
    "Cannot listen on fe80::1% 3 port 5: % 1",
  ]);
});

Deno.test("createEventLogSink() survives a full log or none, says so once, and works again", () => {
  const { sink, written, failures, counts, faults } = start();
  faults.open = new Error("RegisterEventSourceW: RPC_S_SERVER_UNAVAILABLE (1722)");
  sink(recordOf("stopped"));
  delete faults.open;
  faults.report = new Error("ReportEventW: ERROR_LOG_FILE_FULL (1502): The event log file is full");
  for (let i = 0; i < 100; i++) sink(recordOf("stopped"));
  assert.equal(failures.length, 1);
  assert.deepEqual(counts, { opened: 100, closed: 100 }, "no handle is left open");
  delete faults.report;
  sink(recordOf("stopped"));
  assert.equal(written.length, 1);
  faults.report = new Error("again");
  sink(recordOf("stopped"));
  assert.equal(failures.length, 2);
});

/** The record of an event. */
function recordOf(event: EventName, values: EventValues = {}): LogRecord {
  const records: LogRecord[] = [];
  const stderr = { write: (bytes: Uint8Array) => Promise.resolve(bytes.length) };
  const log = openLog({ stderr, sinks: [(record) => void records.push(record)] });
  log.configure({ LogLevel: "debug", LogFormat: "text" })(event, values);
  return records[0];
}
