/** What is told of a run when it has ended: history and metrics are made of it. */
import { messageOf, RunError } from "../errors.ts";
import { printable } from "../wire/datagram.ts";
import type { SendOptions } from "./arguments.ts";
import {
  actionOf,
  exitCode,
  type HostVerdict,
  hostVerdicts,
  type Outcome,
  type Verdict,
  verdictCounts,
} from "./outcome.ts";
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
  /** Hosts that are expected, by name, and that this run didn't go to. */
  readonly elsewhere: ReadonlySet<string>;
  /** How many hosts got each verdict; null if nobody was to answer. */
  readonly counts: ReadonlyMap<Verdict, number> | null;
}

/** The run of an outcome; `elsewhere` are expected hosts that it didn't go to. */
export function endedRun(
  outcome: Outcome,
  at: number,
  elsewhere: ReadonlySet<string> = new Set(),
): EndedRun {
  const action = actionOf(outcome);
  return {
    kind: action === "probe" ? "drill" : "failover",
    at,
    elapsedMs: outcome.record.elapsedMs,
    exitCode: outcome.exitCode,
    summary: summaryLine(outcome),
    verdicts: hostVerdicts(outcome),
    elsewhere,
    counts: action === "password" ? null : verdictCounts(outcome),
  };
}

/** A run that could not be prepared, and why. */
export function failedRun(
  { action }: Pick<SendOptions, "action">,
  error: unknown,
  at: number,
): EndedRun {
  return {
    kind: action === "probe" ? "drill" : "failover",
    at,
    elapsedMs: 0,
    exitCode: error instanceof RunError ? error.exitCode : exitCode.usage,
    summary: printable(messageOf(error)),
    verdicts: [],
    elsewhere: new Set(),
    counts: null,
  };
}
