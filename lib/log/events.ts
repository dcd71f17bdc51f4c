/**
 * The catalogue of everything the service says: number (the id in Windows' event log, 1 to 1000),
 * severity, text and what an administrator should do. Numbers are never used again for another
 * meaning. `{name}` in a text stands for a value.
 */

/** Severities as Windows' event log has them, and one more for the console alone. */
export type Severity = "error" | "warning" | "information" | "debug";

/** One kind of event. */
export interface EventKind {
  readonly id: number;
  readonly severity: Severity;
  readonly text: string;
  /** What to do about it; empty when nothing is to be done. */
  readonly advice: string;
}

const catalogue = {
  started: {
    id: 1,
    severity: "information",
    text: "Started version {version} on {address} port {port}, keys {keys}, cache {cache}",
    advice: "",
  },
  stopped: { id: 2, severity: "information", text: "Stopped", advice: "" },
  flushed: {
    id: 10,
    severity: "information",
    text: "Flushed {scope} for {who}: {removed} entries removed in {milliseconds} ms",
    advice: "",
  },
  flushFailed: {
    id: 11,
    severity: "error",
    text: "Cannot flush {scope} for {who}: {error}",
    advice:
      "The next copy of the request tries again. Check the service's rights and the error named.",
  },
  flushNote: { id: 12, severity: "warning", text: "Flush: {note}", advice: "" },
} as const satisfies Record<string, EventKind>;

/** The name of a kind of event. */
export type EventName = keyof typeof catalogue;

/** All kinds of events by name. */
export const events: Readonly<Record<EventName, EventKind>> = catalogue;

/** Values for a text's `{name}`s. Never a key, a password or a datagram's payload. */
export type EventValues = Readonly<Record<string, string | number>>;

/** Says that something happened. Never throws: a log that fails must not stop the service. */
export type Report = (event: EventName, values?: EventValues) => void;

/** The text of an event with its values filled in. */
export function eventText(event: EventName, values: EventValues = {}): string {
  return events[event].text.replace(/\{(\w+)\}/g, (name, key) => String(values[key] ?? name));
}
