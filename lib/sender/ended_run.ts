/** A run that has ended, as history and metrics have it. */
import { messageOf, RunError } from "../errors.ts";
import { formatPrefix } from "../wire/addresses.ts";
import { printable } from "../wire/datagram.ts";
import type { SendOptions } from "./arguments.ts";
import {
  actionOf,
  exitCode,
  type HostVerdict,
  hostVerdicts,
  isProbe,
  type Outcome,
  type Verdict,
  verdictCounts,
} from "./outcome.ts";
import { summaryLine } from "./table.ts";

/** What a run was about. */
interface RunScope {
  /** The interfaces that it was narrowed to; empty: all. */
  readonly interfaceNames: readonly string[];
  /** The addresses that it was about, if they were named; null: this machine's own. */
  readonly addresses: ReadonlySet<string> | null;
  /** Hosts that are expected, by name, and that this run didn't go to. */
  readonly elsewhere: ReadonlySet<string>;
}

/** A run that has ended, or that could not begin. */
export interface EndedRun extends RunScope {
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

/** What a run with such options is about. */
function scopeOf({ interfaceNames, addresses, expect }: ScopeOptions): RunScope {
  const elsewhere = expect?.kind === "file" ? expect.elsewhere : undefined;
  return {
    interfaceNames,
    addresses: addresses === null ? null : new Set(addresses.map(formatPrefix)),
    elsewhere: elsewhere ?? new Set(),
  };
}

type ScopeOptions = Pick<SendOptions, "interfaceNames" | "addresses" | "expect">;

/** The run of an outcome. */
export function endedRun(outcome: Outcome, options: ScopeOptions, at: number): EndedRun {
  const action = actionOf(outcome);
  return {
    ...scopeOf(options),
    kind: isProbe(outcome) ? "drill" : "failover",
    at,
    elapsedMs: outcome.record.elapsedMs,
    exitCode: outcome.exitCode,
    summary: summaryLine(outcome),
    verdicts: hostVerdicts(outcome),
    counts: action === "password" ? null : verdictCounts(outcome),
  };
}

/** A run that could not be prepared, and why. */
export function failedRun(
  options: ScopeOptions & Pick<SendOptions, "action">,
  error: unknown,
  at: number,
): EndedRun {
  return {
    ...scopeOf(options),
    kind: options.action === "probe" ? "drill" : "failover",
    at,
    elapsedMs: 0,
    exitCode: error instanceof RunError ? error.exitCode : exitCode.usage,
    summary: printable(messageOf(error)),
    verdicts: [],
    counts: null,
  };
}
