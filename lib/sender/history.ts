/**
 * Runs that have ended, as history and metrics have them, and the history: a file of JSON lines, one a
 * run, and the table of `arpflush history`.
 */
import { messageOf, RunError, systemReason } from "../errors.ts";
import { readTail, rotatedPath } from "../files.ts";
import { countText, listText, printable } from "../text.ts";
import { arpflushVersion } from "../version.ts";
import { formatPrefix } from "../wire/addresses.ts";
import type { SendOptions } from "./arguments.ts";
import { actionOf, exitCode, isProbe, type Outcome } from "./outcome.ts";
import { say, write } from "./output.ts";
import {
  type HostVerdict,
  hostVerdicts,
  summaryLine,
  type Verdict,
  verdictCounts,
  verdictNames,
  verdictWord,
} from "./summary.ts";
import { type Row, rowLines } from "./table.ts";

/** A run that has ended, or that could not begin. */
export interface EndedRun {
  /** A probe is a drill; whatever flushes is taken for a failover. */
  readonly kind: "failover" | "drill";
  /** The interfaces that it was narrowed to; empty: all. */
  readonly interfaceNames: readonly string[];
  /** The addresses that it was about, if they were named; null: this machine's own. */
  readonly addresses: ReadonlySet<string> | null;
  /** Hosts that are expected, by name, and that this run didn't go to, or was ended before it heard. */
  readonly elsewhere: ReadonlySet<string>;
  /** Its end, Unix time in ms. */
  readonly at: number;
  /** From the first datagram to the last ack; 0 if nothing was sent. */
  readonly elapsedMs: number;
  readonly exitCode: number;
  /** The outcome in one line. */
  readonly summary: string;
  readonly verdicts: readonly HostVerdict[];
  /** How many hosts got each verdict; null if nobody was to answer. */
  readonly counts: ReadonlyMap<Verdict, number> | null;
}

/** The run of an outcome, or one that could not be prepared, and why. */
export function endedRun(
  result: Outcome | Error,
  { interfaceNames, addresses, expect, action }: Pick<
    SendOptions,
    "interfaceNames" | "addresses" | "expect" | "action"
  >,
  at: number,
): EndedRun {
  const unheard = result instanceof Error ? [] : result.unheard.map(({ label }) => label);
  const elsewhere = expect?.kind === "file" ? expect.elsewhere ?? [] : [];
  const common = {
    at,
    interfaceNames,
    addresses: addresses === null ? null : new Set(addresses.map(formatPrefix)),
    elsewhere: new Set([...elsewhere, ...unheard]),
  };
  if (result instanceof Error) {
    return {
      ...common,
      kind: action === "probe" ? "drill" : "failover",
      elapsedMs: 0,
      exitCode: result instanceof RunError ? result.exitCode : exitCode.usage,
      summary: printable(messageOf(result)),
      verdicts: [],
      counts: null,
    };
  }
  return {
    ...common,
    kind: isProbe(result) ? "drill" : "failover",
    elapsedMs: result.record.elapsedMs,
    exitCode: result.exitCode,
    summary: summaryLine(result),
    verdicts: hostVerdicts(result),
    counts: actionOf(result) === "password" ? null : verdictCounts(result),
  };
}

/** Version of a line: it is raised when a field goes or changes its meaning. */
const lineVersion = 1;

/** A file that would be larger gets another name before: some thousand runs. */
export const maxHistoryBytes = 1024 * 1024;

/** Hosts that a line names. */
const maxWrongHosts = 32;

/** One line of the file. */
interface HistoryEntry {
  readonly version: number;
  /** End of the run, ISO 8601 in UTC. */
  readonly at: string;
  readonly run: string;
  /** Those that it was narrowed to; empty: all. */
  readonly interfaces: readonly string[];
  readonly exitCode: number;
  readonly durationMs: number;
  /** How many hosts got each verdict. */
  readonly hosts: Readonly<Record<string, number>>;
  /** Those that something is wrong with, the worst first. */
  readonly wrong: readonly {
    readonly host: string;
    readonly verdict: string;
    readonly text: string;
  }[];
  readonly summary: string;
}

/** The line of a run, without a line break. */
export function historyLine(run: EndedRun): string {
  const entry: HistoryEntry = {
    version: lineVersion,
    at: new Date(run.at).toISOString(),
    run: run.kind,
    interfaces: run.interfaceNames,
    exitCode: run.exitCode,
    durationMs: Math.round(run.elapsedMs),
    hosts: Object.fromEntries(run.counts ?? []),
    wrong: run.verdicts.filter(({ isGood }) => !isGood).slice(0, maxWrongHosts)
      .map(({ name, verdict, text }) => ({ host: name, verdict, text })),
    summary: run.summary,
  };
  return JSON.stringify(entry);
}

/** The entry of a line; null if it is none: torn, or of somebody else. */
function parseEntry(line: string): HistoryEntry | null {
  const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null ? { ...value } : {};
  let entry;
  try {
    entry = objectOf(JSON.parse(line));
  } catch {
    return null;
  }
  const { version, at, run, interfaces, exitCode, durationMs, hosts, wrong, summary } = entry;
  const isWhole = version === lineVersion && !Number.isNaN(Date.parse(String(at))) &&
    [at, run, summary].every((text) => typeof text === "string") &&
    [exitCode, durationMs, ...Object.values(objectOf(hosts))].every(Number.isFinite) &&
    typeof hosts === "object" && hosts !== null && !Array.isArray(hosts) &&
    Array.isArray(interfaces) && interfaces.every((name) => typeof name === "string") &&
    Array.isArray(wrong) &&
    wrong.map(objectOf).every(({ host, verdict, text }) =>
      [host, verdict, text].every((text) => typeof text === "string")
    );
  return isWhole ? entry as unknown as HistoryEntry : null;
}

/** What a history file and the one before it hold, the newest last. */
interface History {
  readonly entries: readonly HistoryEntry[];
  /** Lines that are no entries. */
  readonly unreadable: number;
}

/** What lines of history hold. */
export function parseHistory(text: string): History {
  const lines = text.split("\n").filter((line) => line !== "");
  const entries = lines.map(parseEntry).filter((entry) => entry !== null);
  return { entries, unreadable: lines.length - entries.length };
}

/** Reads a history file and the one before it. Throws a RunError if there is none. */
async function readHistory(path: string): Promise<History> {
  try {
    const texts = [
      await readTail(rotatedPath(path), maxHistoryBytes),
      await readTail(path, maxHistoryBytes),
    ].filter((text) => text !== null);
    if (texts.length === 0) throw new Error("No such file");
    return parseHistory(texts.join("\n"));
  } catch (error) {
    throw new RunError(`Cannot read history "${path}": ${systemReason(error)}`, exitCode.usage);
  }
}

/** Version of the JSON document, apart from that of its entries. */
const documentVersion = 1;

/** A history as one JSON document, with a line break at its end. */
export function historyJson({ entries, unreadable }: History): string {
  const common = { version: documentVersion, arpflush: arpflushVersion };
  return `${JSON.stringify({ ...common, unreadable, runs: entries }, null, 2)}\n`;
}

/** Writes the history in a file to stdout, as a table or a JSON document. Throws as `readHistory`. */
export async function showHistory(path: string, asJson: boolean): Promise<number> {
  const history = await readHistory(path);
  const { entries, unreadable } = history;
  if (unreadable > 0) {
    say(`${countText(unreadable, "line", "lines")} of "${path}" could not be read`);
  }
  const color = Deno.stdout.isTerminal() && !Deno.noColor;
  const text = asJson
    ? historyJson(history)
    : historyLines(entries, color).map((line) => `${line}\n`).join("");
  return write("stdout", text) ? exitCode.good : exitCode.nothingSent;
}

/** Hosts that a row names before it counts the rest. */
const maxNamed = 3;

/** The lines of a table: a heading and a row for each run, the newest last. */
export function historyLines(entries: readonly HistoryEntry[], color: boolean): string[] {
  const heading: Row = { cells: ["TIME", "RUN", "EXIT", "SECONDS", "HOSTS"], tone: "heading" };
  const rows = entries.map((entry): Row => ({
    cells: [
      localTime(new Date(entry.at)),
      printable([entry.run, ...entry.interfaces].join(" ")),
      String(entry.exitCode),
      (entry.durationMs / 1_000).toFixed(1),
      hostsText(entry),
    ],
    tone: entry.exitCode === exitCode.good
      ? "good"
      : entry.exitCode === exitCode.notGood
      ? "bad"
      : "doubtful",
  }));
  return rows.length === 0 ? [] : rowLines([heading, ...rows], [2, 3], { color, columns: null });
}

/** `2026-01-02 03:04:05`, by this machine's time zone, as its log has it. */
function localTime(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

/** How many hosts got which verdict, and those that something is wrong with; else what went wrong. */
function hostsText({ hosts, wrong, summary }: HistoryEntry): string {
  const counts = verdictNames.filter((name) => hosts[name] > 0)
    .map((name) => `${hosts[name]} ${verdictWord[name]}`);
  if (counts.length === 0) return printable(summary);
  const named = listText(wrong.map(({ host, text }) => printable(`${host} ${text}`)), maxNamed);
  return [counts.join(", "), ...named === "" ? [] : [named]].join(": ");
}
