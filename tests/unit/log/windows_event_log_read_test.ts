/**
 * Events read back through the event log API, on a real Windows. Wine 10 keeps none: OpenEventLogW
 * gives a handle that stands for nothing, GetNumberOfEventLogRecords counts 0, ReadEventLogW is at
 * the end at once, BackupEventLogW writes no file, and EvtQuery of wevtapi.dll gives no result. That
 * is asserted, so that the day a Wine keeps events is noticed; until then it is run there with a
 * stand-in that keeps them, by tests/windows/event_log_test.ts, which sets ARPFLUSH_EVENTS_KEPT.
 */
import assert from "node:assert/strict";
import { events } from "../../../lib/log/events.ts";
import { createEventLogSink, eventSourceName } from "../../../lib/log/windows_event_log.ts";
import { ERROR_HANDLE_EOF, isWine, openEventLog } from "../win32/event_log_reader.ts";
import type { StoredEvent } from "../win32/event_log_record.ts";
import { recordOf } from "./records.ts";

const names = ["reloaded", "flushNote", "listenFailed"] as const;

/** Writes an event of each severity with a mark that no other run has, and returns the mark. */
function writeEvents(): string {
  const mark = crypto.randomUUID();
  const failures: unknown[] = [];
  const sink = createEventLogSink((error) => failures.push(error));
  for (const name of names) sink(recordOf(name, { address: mark, note: mark }));
  assert.deepEqual(failures, []);
  return mark;
}

/** The newest events of our source, until there are so many; within 10 s, as the log may lag. */
async function newest(count: number, isWanted: (event: StoredEvent) => boolean) {
  for (const end = performance.now() + 10_000;;) {
    using log = openEventLog("Application");
    const found: StoredEvent[] = [];
    for (let read = log.readBack(); "events" in read; read = log.readBack()) {
      found.push(...read.events.filter(isWanted));
      if (found.length >= count) return found;
    }
    if (performance.now() > end) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const isWindows = Deno.build.os === "windows";
const isKept = isWindows && (!isWine() || Deno.env.get("ARPFLUSH_EVENTS_KEPT") === "1");

if (isKept) {
  Deno.test("createEventLogSink() writes events that the event log gives back", async () => {
    const mark = writeEvents();
    const found = await newest(names.length, ({ strings }) => strings[0].includes(mark));
    assert.deepEqual(
      found.reverse().map(({ source, id, type, strings }) => [source, id, type, strings.length]),
      names.map((name, i) => [eventSourceName, events[name].id, [4, 2, 1][i], 1]),
    );
  });
}

if (isWindows && !isKept) {
  Deno.test("Wine takes events and keeps none that could be read back", () => {
    writeEvents();
    using log = openEventLog("Application");
    assert.equal(log.count(), 0);
    assert.deepEqual(log.readBack(), { code: ERROR_HANDLE_EOF });
  });
}
