/**
 * The log of the service, by LogTape: a `Report` becomes a record of LogTape's, whose message is the
 * event's text with its values, and whose properties are the values and the event's name and number.
 */
import {
  configureSync,
  fromAsyncSink,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type Sink,
  type TextFormatter,
} from "@logtape/logtape";
import type { Settings } from "../config/settings.ts";
import { systemAfter, within } from "../time.ts";
import { printable } from "../text.ts";
import { events, type EventValues, type Report } from "./events.ts";

/** What is written to; `Deno.stderr` is one. */
interface ByteWriter {
  write(bytes: Uint8Array): Promise<number>;
}

/** Where the log goes. */
export interface LogOptions {
  /** @default Deno.stderr */
  readonly stderr?: ByteWriter;
  /** Where it goes besides stderr. @default nowhere */
  readonly sinks?: readonly Sink[];
  /** Marks each line: nothing real is flushed. @default false */
  readonly simulated?: boolean;
}

/** The log of the process: there is one at a time. */
interface Log {
  /** Takes over level and format. What it returned before goes on being a way to report, too. */
  configure(settings: Pick<Settings, "LogLevel" | "LogFormat">): Report;
  /** Resolves when the lines so far have been written, at the latest after a time in ms. */
  drain(maxMs: number): Promise<void>;
}

/** Lines that wait for a slow stderr; one more is lost, and an event says how many were. */
const maxWaiting = 10_000;
const category = "arpflush";

const formatters: Readonly<Record<Settings["LogFormat"], TextFormatter>> = {
  text: getTextFormatter({
    timestamp: "rfc3339",
    level: "full",
    value: "bare",
    format({ timestamp, level, message, record: { category, properties } }) {
      const mark = category.includes("simulated") ? "[simulated] " : "";
      return `${timestamp} ${level} ${properties.event} (${properties.id}): ${mark}${message}`;
    },
  }),
  json: getJsonLinesFormatter(),
};

/** Opens the log; it says nothing before it is configured. */
export function openLog(options: LogOptions): Log {
  const { stderr = Deno.stderr, sinks = [], simulated = false } = options;
  let format = formatters.text;
  let lost = 0;
  const queue = fromAsyncSink(async (record) => {
    try {
      let bytes = new TextEncoder().encode(format(record));
      while (bytes.length > 0) bytes = bytes.subarray(await stderr.write(bytes));
    } catch {
      // A closed pipe or a full disk: this line is lost, the next one is tried again.
    }
    if (lost === 0) return;
    const count = lost;
    lost = 0;
    report("linesLost", { count });
    // There is still no room: the next line tries again.
    if (lost > 0) lost = count;
  }, {
    maxQueueSize: maxWaiting,
    overflow: "drop-newest",
    onDrop: ({ count }) => void (lost += count),
  });
  // Handed over without its disposal: LogTape would end it when it is configured again.
  const named: Record<string, Sink> = { stderr: (record) => queue(record) };
  sinks.forEach((sink, i) => named[`sink ${i}`] = sink);

  const report: Report = (event, values = {}) => {
    const { id, severity, text } = events[event];
    try {
      const logger = getLogger(simulated ? [category, "simulated"] : category);
      if (!logger.isEnabledFor(severity)) return;
      logger[severity](text, { event, id, ...printableValues(values) });
    } catch {
      // A log that fails must not stop the service.
    }
  };
  return {
    configure({ LogLevel, LogFormat }) {
      format = formatters[LogFormat];
      configureSync({
        reset: true,
        sinks: named,
        loggers: [
          { category, lowestLevel: LogLevel, sinks: Object.keys(named) },
          // LogTape's own remarks would go to the console, which may be what fails.
          { category: ["logtape", "meta"], lowestLevel: null },
        ],
      });
      return report;
    },
    drain: (maxMs) => within(systemAfter, maxMs, queue.drain(), undefined),
  };
}

/** Texts may come from the network: no control character of theirs reaches a log. */
function printableValues(values: EventValues): EventValues {
  const entries = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === "string" ? printable(value) : value,
  ]);
  return Object.fromEntries(entries);
}
