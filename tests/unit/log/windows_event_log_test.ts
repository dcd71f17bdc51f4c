/** Records as the log hands them to its sinks. */
import type { LogRecord } from "@logtape/logtape";
import assert from "node:assert/strict";
import { type EventName, events, type EventValues } from "../../../lib/log/events.ts";
import { openLog } from "../../../lib/log/logging.ts";
import { createEventLogSink } from "../../../lib/log/windows_event_log.ts";

/** Double of the event log: notes what is written, fails as long as it is told to. */
function createLogDouble() {
  const double = {
    written: [] as [number, number, string][],
    opened: 0,
    closed: 0,
    fault: null as string | null,
    open() {
      double.opened++;
      return {
        report(type: number, id: number, text: string) {
          if (double.fault !== null) throw new Error(double.fault);
          double.written.push([type, id, text]);
        },
        close: () => void double.closed++,
      };
    },
  };
  return double;
}

Deno.test("createEventLogSink() writes each event under its number and type", () => {
  const log = createLogDouble();
  const failures: unknown[] = [];
  const sink = createEventLogSink((error) => failures.push(error), log.open);
  sink(recordOf("stopped"));
  sink(recordOf("flushNote", { note: "a note" }));
  sink(recordOf("listenFailed", { address: "::", port: 5, error: "in use" }));
  sink(recordOf("accepted", { action: "flush all", who: "r1" }));
  assert.deepEqual(log.written.map(([type, id]) => [type, id]), [[4, 2], [2, 12], [1, 44]]);
  assert.deepEqual(log.written.map(([, , text]) => text), [
    "Stopped",
    "Flush: a note",
    `Cannot listen on :: port 5: in use\r\n\r\n${events.listenFailed.advice}`,
  ]);
  assert.equal(log.opened, 1);
  assert.deepEqual(failures, []);
});

Deno.test("createEventLogSink() writes no % before a digit, which the event viewer would replace", () => {
  const log = createLogDouble();
  const sink = createEventLogSink((error) => assert.fail(String(error)), log.open);
  for (const note of ["fe80::1%12 is gone", "%1 %%2 100% %x", "%"]) {
    sink(recordOf("flushNote", { note }));
  }
  sink(recordOf("listenFailed", { address: "fe80::1%3", port: 5, error: "%1" }));
  assert.deepEqual(log.written.map(([, , text]) => text.split("\r\n")[0]), [
    "Flush: fe80::1% 12 is gone",
    "Flush: % 1 %% 2 100% %x",
    "Flush: %",
    "Cannot listen on fe80::1% 3 port 5: % 1",
  ]);
});

Deno.test("createEventLogSink() survives a full log, says so once, and works again", () => {
  const log = createLogDouble();
  const failures: unknown[] = [];
  const sink = createEventLogSink((error) => failures.push(error), log.open);
  log.fault = "ReportEventW: ERROR_LOG_FILE_FULL (1502): The event log file is full";
  for (let i = 0; i < 100; i++) sink(recordOf("stopped"));
  assert.equal(failures.length, 1);
  assert.deepEqual([log.opened, log.closed], [100, 100], "no handle is left open");
  log.fault = null;
  sink(recordOf("stopped"));
  assert.equal(log.written.length, 1);
  log.fault = "again";
  sink(recordOf("stopped"));
  assert.equal(failures.length, 2);
});

Deno.test("createEventLogSink() survives a log service that isn't there", () => {
  const failures: unknown[] = [];
  const sink = createEventLogSink((error) => failures.push(error), () => {
    throw new Error("RegisterEventSourceW: RPC_S_SERVER_UNAVAILABLE (1722)");
  });
  sink(recordOf("stopped"));
  assert.equal(failures.length, 1);
});

/** The record of an event. */
function recordOf(event: EventName, values: EventValues = {}): LogRecord {
  const records: LogRecord[] = [];
  const stderr = { write: (bytes: Uint8Array) => Promise.resolve(bytes.length) };
  const log = openLog({ stderr, sinks: [(record) => void records.push(record)] });
  log.configure({ LogLevel: "debug", LogFormat: "text" })(event, values);
  return records[0];
}
