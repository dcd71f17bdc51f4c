/** The Application event log of Windows as a sink of the log. */
import {
  EVENTLOG_ERROR_TYPE,
  EVENTLOG_INFORMATION_TYPE,
  EVENTLOG_WARNING_TYPE,
  type EventSource,
  openEventSource,
} from "../win32/advapi32.ts";
import { events } from "./events.ts";
import type { LogEntry, LogSink } from "./logging.ts";

/** The source's name; install.ps1 registers it. */
export const eventSourceName = "ArpFlush";

const types = {
  error: EVENTLOG_ERROR_TYPE,
  warning: EVENTLOG_WARNING_TYPE,
  information: EVENTLOG_INFORMATION_TYPE,
} as const;

/** What an administrator reads: what happened, and what to do about it. */
export function eventLogText({ event, text }: LogEntry): string {
  const { advice } = events[event];
  return advice === "" ? text : `${text}\r\n\r\n${advice}`;
}

/**
 * A sink that writes events under their numbers; debug ones are not for the event log. Never throws.
 * When the log is full, or the log service isn't there yet, the entry is lost and `onFailure` hears
 * of it once; the next entry tries again.
 */
export function createEventLogSink(
  onFailure: (error: unknown) => void,
  open: () => EventSource = () => openEventSource(eventSourceName),
): LogSink {
  let source: EventSource | null = null;
  let failing = false;
  return (entry) => {
    const { id, severity } = events[entry.event];
    if (severity === "debug") return;
    try {
      source ??= open();
      source.report(types[severity], id, eventLogText(entry));
      failing = false;
    } catch (error) {
      source?.close();
      source = null;
      if (!failing) onFailure(error);
      failing = true;
    }
  };
}
