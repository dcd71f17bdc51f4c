import assert from "node:assert/strict";
import { events } from "../../../lib/log/events.ts";
import type { LogEntry } from "../../../lib/log/logging.ts";
import { createEventLogSink, eventLogText } from "../../../lib/log/windows_event_log.ts";

function entry(event: LogEntry["event"], text: string): LogEntry {
  return { time: 0, event, text, values: {} };
}

/** A double of the event log: notes what is written, fails as long as it is told to. */
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
  sink(entry("stopped", "Stopped"));
  sink(entry("flushNote", "Flush: a note"));
  sink(entry("listenFailed", "Cannot listen"));
  sink(entry("accepted", "debug is not for the event log"));
  assert.deepEqual(log.written.map(([type, id]) => [type, id]), [[4, 2], [2, 12], [1, 44]]);
  assert.equal(log.written[2][2], `Cannot listen\r\n\r\n${events.listenFailed.advice}`);
  assert.equal(log.opened, 1);
  assert.deepEqual(failures, []);
});

Deno.test("createEventLogSink() survives a full log, says so once, and works again", () => {
  const log = createLogDouble();
  const failures: unknown[] = [];
  const sink = createEventLogSink((error) => failures.push(error), log.open);
  log.fault = "ReportEventW: ERROR_LOG_FILE_FULL (1502): The event log file is full";
  for (let i = 0; i < 100; i++) sink(entry("stopped", "Stopped"));
  assert.equal(failures.length, 1);
  assert.deepEqual([log.opened, log.closed], [100, 100], "no handle is left open");
  log.fault = null;
  sink(entry("stopped", "Stopped"));
  assert.equal(log.written.length, 1);
  log.fault = "again";
  sink(entry("stopped", "Stopped"));
  assert.equal(failures.length, 2);
});

Deno.test("createEventLogSink() survives a log service that isn't there", () => {
  const failures: unknown[] = [];
  const sink = createEventLogSink((error) => failures.push(error), () => {
    throw new Error("RegisterEventSourceW: RPC_S_SERVER_UNAVAILABLE (1722)");
  });
  sink(entry("stopped", "Stopped"));
  assert.equal(failures.length, 1);
});

Deno.test("every event's number is one that EventCreate.exe has a message for", () => {
  for (const { id } of Object.values(events)) assert.ok(id >= 1 && id <= 1000);
});

Deno.test("eventLogText() of an event without advice is its text alone", () => {
  assert.equal(eventLogText(entry("stopped", "Stopped")), "Stopped");
});
