/** What is kept of each run when it has ended: a line of history, and metrics. */
import { systemReason } from "../errors.ts";
import { appendLine, updateFile } from "../files.ts";
import { printable } from "../wire/datagram.ts";
import { historyLine, maxHistoryBytes } from "./history.ts";
import {
  actionOf,
  type HostVerdict,
  hostVerdicts,
  type Outcome,
  type Verdict,
  verdictCounts,
} from "./outcome.ts";
import { metricsAfterRun } from "./run_metrics.ts";
import { summaryLine } from "./table.ts";

/** A run that has ended, or that could not begin. */
export interface EndedRun {
  /** A probe is a drill; whatever flushes is taken for a failover. */
  readonly kind: "failover" | "drill";
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

/** The run of an outcome. */
export function endedRun(outcome: Outcome, at: number): EndedRun {
  const action = actionOf(outcome);
  return {
    kind: action === "probe" ? "drill" : "failover",
    at,
    elapsedMs: outcome.record.elapsedMs,
    exitCode: outcome.exitCode,
    summary: summaryLine(outcome),
    verdicts: hostVerdicts(outcome),
    counts: action === "password" ? null : verdictCounts(outcome),
  };
}

/** The run that ended before anything was sent. */
export function failedRun(
  kind: EndedRun["kind"],
  at: number,
  { exitCode, message }: { readonly exitCode: number; readonly message: string },
): EndedRun {
  return {
    kind,
    at,
    elapsedMs: 0,
    exitCode,
    summary: printable(message),
    verdicts: [],
    counts: null,
  };
}

/** Where runs are kept; null: nowhere. */
export interface RunFiles {
  readonly historyFile: string | null;
  readonly metricsFile: string | null;
}

/** Keeps a run. Resolves with what went wrong, a line each; never rejects. */
export async function keepRun(run: EndedRun, files: RunFiles): Promise<string[]> {
  const { historyFile, metricsFile } = files;
  const wrong: string[] = [];
  const attempt = async (what: string, path: string, write: () => Promise<void>) => {
    try {
      await write();
    } catch (error) {
      wrong.push(`cannot write ${what} "${printable(path)}": ${reasonOf(error)}`);
    }
  };
  if (historyFile !== null) {
    const line = historyLine(run);
    await attempt("history", historyFile, () => appendLine(historyFile, line, maxHistoryBytes));
  }
  if (metricsFile !== null) {
    // What hindered the history is part of how the run ended.
    const ended = wrong.length > 0 && run.exitCode === 0 ? { ...run, exitCode: 4 } : run;
    const change = (text: string) => metricsAfterRun(text, ended);
    await attempt("metrics", metricsFile, () => updateFile(metricsFile, change));
  }
  return wrong;
}

function reasonOf(error: unknown): string {
  return error instanceof Deno.errors.NotCapable
    ? "it is in none of the folders that this program may write in"
    : systemReason(error);
}
