/** Records as the log hands them to its sinks. */
import type { LogRecord } from "@logtape/logtape";
import type { EventName, EventValues } from "../../../lib/log/events.ts";
import { openLog } from "../../../lib/log/logging.ts";

/** The record of an event. */
export function recordOf(event: EventName, values: EventValues = {}): LogRecord {
  const records: LogRecord[] = [];
  const stderr = { write: (bytes: Uint8Array) => Promise.resolve(bytes.length) };
  const log = openLog({ stderr, sinks: [(record) => void records.push(record)] });
  log.configure({ LogLevel: "debug", LogFormat: "text" })(event, values);
  return records[0];
}
