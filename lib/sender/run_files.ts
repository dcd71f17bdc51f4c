/** Keeps runs in the files of `--history` and `--metrics`. */
import { systemReason } from "../errors.ts";
import { appendLine, updateFile } from "../files.ts";
import { printable } from "../wire/datagram.ts";
import type { SendOptions } from "./arguments.ts";
import { type EndedRun, endedRun, failedRun } from "./ended_run.ts";
import { historyLine, maxHistoryBytes } from "./history.ts";
import { exitCode, type Outcome } from "./outcome.ts";
import { metricsAfterHeartbeat, metricsAfterRun } from "./run_metrics.ts";

/**
 * Keeps an outcome where the options say. Resolves with what went wrong, a line each; never rejects.
 */
export function keepOutcome(options: SendOptions, outcome: Outcome): Promise<string[]> {
  return keepRun(endedRun(outcome, options, Date.now()), options);
}

/** Keeps a run that could not be prepared, as `keepOutcome` does. */
export function keepFailure(options: SendOptions, error: unknown): Promise<string[]> {
  return keepRun(failedRun(options, error, Date.now()), options);
}

/** Notes a sign of life of `arpflush --follow`, as `keepOutcome` does. */
export function keepHeartbeat(metricsFile: string, at: number): Promise<string[]> {
  const written = updateFile(metricsFile, (text) => metricsAfterHeartbeat(text, at));
  return faultOf("metrics", metricsFile, written);
}

/** Keeps a run in a metrics file, as `keepOutcome` does. */
export function keepMetrics(metricsFile: string, run: EndedRun): Promise<string[]> {
  const written = updateFile(metricsFile, (text) => metricsAfterRun(text, run));
  return faultOf("metrics", metricsFile, written);
}

async function keepRun(
  run: EndedRun,
  { historyFile, metricsFile }: Pick<SendOptions, "historyFile" | "metricsFile">,
): Promise<string[]> {
  const wrong: string[] = [];
  if (historyFile !== null) {
    const written = appendLine(historyFile, historyLine(run), maxHistoryBytes);
    wrong.push(...await faultOf("history", historyFile, written));
  }
  if (metricsFile !== null) {
    // What hindered the history is part of how the run ended.
    const isHindered = wrong.length > 0 && run.exitCode === exitCode.good;
    const ended = isHindered ? { ...run, exitCode: exitCode.hindered } : run;
    wrong.push(...await keepMetrics(metricsFile, ended));
  }
  return wrong;
}

async function faultOf(what: string, path: string, written: Promise<void>): Promise<string[]> {
  try {
    await written;
    return [];
  } catch (error) {
    const reason = error instanceof Deno.errors.NotCapable
      ? "it is in none of the folders that this program may write in"
      : systemReason(error);
    return [`cannot write ${what} "${printable(path)}": ${reason}`];
  }
}
