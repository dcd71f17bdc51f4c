/** The Application event log of Windows as a sink of the log. */
import { getTextFormatter, type Sink } from "@logtape/logtape";
import {
  EVENTLOG_ERROR_TYPE,
  EVENTLOG_INFORMATION_TYPE,
  EVENTLOG_WARNING_TYPE,
  type EventSource,
  openEventSource,
} from "../win32/advapi32.ts";
import { type EventName, events } from "./events.ts";

/** The source's name; install.ps1 registers it. */
const eventSourceName = "ArpFlush";

const types = {
  error: EVENTLOG_ERROR_TYPE,
  warning: EVENTLOG_WARNING_TYPE,
  info: EVENTLOG_INFORMATION_TYPE,
} as const;

const formatMessage = getTextFormatter({ value: "bare", format: ({ message }) => message });

/** Whether a record's property names an event. */
function isEventName(name: unknown): name is EventName {
  return typeof name === "string" && Object.hasOwn(events, name);
}

/**
 * A text for ReportEventW, whose strings can't hold a `%` before a digit: what shows the event takes
 * `%1` in `fe80::1%12` for the place of a string. A space between them is what Microsoft advises, as
 * `%%1` has a meaning too.
 */
function withoutInsertions(text: string): string {
  return text.replace(/%(?=\d)/g, "% ");
}

/**
 * A sink that writes events under their numbers, each with what to do about it; debug ones are not
 * for the event log. Never throws. When the log is full, or the log service isn't there yet, the
 * event is lost and `onFailure` hears of it once; the next event tries again.
 */
export function createEventLogSink(
  onFailure: (error: unknown) => void,
  open: () => EventSource = () => openEventSource(eventSourceName),
): Sink {
  let source: EventSource | null = null;
  let failing = false;
  return (record) => {
    const { event } = record.properties;
    if (!isEventName(event)) return;
    const { id, severity, advice } = events[event];
    if (severity === "debug") return;
    const message = formatMessage(record).trimEnd();
    try {
      source ??= open();
      const text = advice === undefined ? message : `${message}\r\n\r\n${advice}`;
      source.report(types[severity], id, withoutInsertions(text));
      failing = false;
    } catch (error) {
      source?.close();
      source = null;
      if (!failing) onFailure(error);
      failing = true;
    }
  };
}
