/** The history of runs: a file of JSON lines, one a run, and the table of `arpflush history`. */
import { RunError, systemReason } from "../errors.ts";
import { readTail, rotatedPath } from "../files.ts";
import { countText } from "../text.ts";
import { arpflushVersion } from "../version.ts";
import { printable } from "../wire/datagram.ts";
import type { EndedRun } from "./ended_run.ts";
import { exitCode } from "./outcome.ts";
import { say, write } from "./output.ts";
import { aligned, cutLine, type Row, styledLine } from "./table.ts";

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
    exitCode: run.exitCode,
    durationMs: Math.round(run.elapsedMs),
    hosts: Object.fromEntries(run.counts ?? []),
    wrong: run.verdicts.filter(({ isGood }) => !isGood).slice(0, maxWrongHosts)
      .map(({ name, verdict, text }) => ({ host: name, verdict, text })),
    summary: run.summary,
  };
  return JSON.stringify(entry);
}
