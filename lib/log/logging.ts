/**
 * The log of the service, over LogTape: `Report` is the one way to say something, events.ts the
 * catalogue of what can be said. A sink is where it goes: stderr here, Windows' event log beside it.
 */
import { configureSync, getLogger, type LogLevel as TapeLevel, type Sink } from "@logtape/logtape";
import type { Settings } from "../config/settings.ts";
import { systemAfter, within } from "../time.ts";
import { printable } from "../wire/datagram.ts";
import {
  type EventName,
  events,
  eventText,
  type EventValues,
  type Report,
  type Severity,
} from "./events.ts";

/** One thing said, as a sink gets it. */
export interface LogEntry {
  /** Unix time in ms. */
  readonly time: number;
  readonly event: EventName;
  readonly text: string;
  readonly values: EventValues;
}

/** Where entries go; what it throws is dropped. */
export type LogSink = (entry: LogEntry) => void;

/** What the log says and where. */
export interface LogOptions {
  readonly level: Settings["LogLevel"];
  readonly sinks: readonly LogSink[];
}

const category = "arpflush";
const tapeLevels = {
  error: "error",
  warning: "warning",
  information: "info",
  debug: "debug",
} as const satisfies Record<Severity, TapeLevel>;

/** Severities said at each level. */
const severitiesOf: Readonly<Record<Settings["LogLevel"], readonly Severity[]>> = {
  error: ["error"],
  warning: ["error", "warning"],
  info: ["error", "warning", "information"],
  debug: ["error", "warning", "information", "debug"],
};
/** Kept beside LogTape's own level so that what isn't said costs next to nothing. */
let lowest = severitiesOf.info;

/** Sets up the log of the process, again as often as needed, and returns the way to say something. */
export function configureLog({ level, sinks }: LogOptions): Report {
  const named: Record<string, Sink> = {};
  sinks.forEach((sink, i) => named[`sink ${i}`] = toTapeSink(sink));
  lowest = severitiesOf[level];
  configureSync({
    reset: true,
    sinks: named,
    loggers: [
      { category, lowestLevel: level, sinks: Object.keys(named) },
      // LogTape's own remarks would go to the console, which may be what fails.
      { category: ["logtape", "meta"], lowestLevel: null },
    ],
  });
  return reportTo;
}

const reportTo: Report = (event, given = {}) => {
  const { severity } = events[event];
  if (!lowest.includes(severity)) return;
  try {
    const values = cleaned(given);
    const text = eventText(event, values);
    getLogger(category)[tapeLevels[severity]]("{text}", { event, text, values });
  } catch {
    // A log that fails must not stop the service.
  }
};

/** Texts may come from the network: no control character of theirs reaches a log. */
function cleaned(values: EventValues): EventValues {
  const entries = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === "string" ? printable(value) : value,
  ]);
  return Object.fromEntries(entries);
}

function toTapeSink(sink: LogSink): Sink {
  return ({ timestamp, properties }) => {
    const { event, text, values } = properties;
    if (!isEventName(event) || typeof text !== "string") return;
    sink({ time: timestamp, event, text, values: isValues(values) ? values : {} });
  };
}

function isEventName(name: unknown): name is EventName {
  return typeof name === "string" && Object.hasOwn(events, name);
}

function isValues(values: unknown): values is EventValues {
  return typeof values === "object" && values !== null;
}

/** Lines on a writer. `simulated` marks each one. */
export function createLineSink(
  writer: LineWriter,
  format: Settings["LogFormat"],
  simulated: boolean,
): LogSink {
  return (entry) =>
    writer.write(format === "json" ? jsonLine(entry, simulated) : textLine(entry, simulated));
}

function textLine({ time, event, text }: LogEntry, simulated: boolean): string {
  const { id, severity } = events[event];
  const mark = simulated ? "[simulated] " : "";
  return `${new Date(time).toISOString()} ${severity} ${event} (${id}): ${mark}${text}`;
}

function jsonLine({ time, event, text, values }: LogEntry, simulated: boolean): string {
  const { id, severity } = events[event];
  const fixed = { time: new Date(time).toISOString(), severity, id, event, text };
  return JSON.stringify({ ...fixed, ...(simulated ? { simulated } : {}), values });
}

// Lines to a stream that may be slow, full or closed: they wait in a bounded queue, and whatever goes wrong there never reaches the caller.

/** What is written to; `Deno.stderr` is one. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Writes lines in their order. */
export interface LineWriter {
  /** Adds a line (without its end) to the queue; never throws and never waits. */
  write(line: string): void;
  /** Resolves when the queue is empty, at the latest after a time in ms. */
  flush(atMostMs: number): Promise<void>;
}

/** Lines that wait at most; further ones are lost, and the next line that fits says how many. */
const waitingMost = 1_000;

/** A writer over a sink. */
export function createLineWriter(sink: ByteSink): LineWriter {
  const utf8 = new TextEncoder();
  let waiting: string[] = [];
  let lost = 0;
  let writing: Promise<void> | null = null;

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const lines = waiting;
      waiting = [];
      try {
        let bytes = utf8.encode(lines.join("\n") + "\n");
        while (bytes.length > 0) bytes = bytes.subarray(await sink.write(bytes));
      } catch {
        // A closed pipe or a full disk: these lines are lost, the next ones are tried again.
      }
    }
    writing = null;
  }

  return {
    write(line) {
      if (waiting.length >= waitingMost) {
        lost++;
        return;
      }
      if (lost > 0) waiting.push(`(${lost} lines of the log are lost: it is written too slowly)`);
      lost = 0;
      waiting.push(line);
      writing ??= writeAll();
    },
    async flush(atMostMs) {
      if (writing !== null) await within(systemAfter, atMostMs, writing, undefined);
    },
  };
}
