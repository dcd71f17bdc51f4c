/**
 * What the receive path counts, since the start of the service. Counting is a few additions; whoever
 * shows the numbers is woken once and reads them in a time of its own.
 */
import { systemClock } from "../time.ts";
import { type RefusalReason, refusalReasons } from "./accept.ts";

/** What is counted beside the refusals. */
export const countedNames = [
  "accepted",
  "repeated",
  "stale",
  "legacy",
  "legacyCopies",
  "unremembered",
  "acksSent",
  "acksFailed",
  "acksDropped",
  "receiveErrors",
  "socketsReopened",
  "flushes",
  "flushesFailed",
  "entriesRemoved",
] as const;
export type CountedName = typeof countedNames[number];

/** Authentic requests that are not repetitions. */
export type AuthenticOutcome = "accepted" | "stale";

/** What was last, in Unix time in ms. */
export interface Latest {
  /** The end of the last flush that did not fail, or null. */
  readonly flushed: number | null;
  /** The creation of the last request minus the host's clock when it arrived, in ms, or null. */
  readonly clockOffset: Readonly<Record<AuthenticOutcome, number | null>>;
  /** The last accepted request by key id. */
  readonly keyUsed: ReadonlyMap<string, number>;
}

/** Numbers that only grow, and what was last. */
export interface Counters {
  readonly counted: Readonly<Record<CountedName, number>>;
  readonly refused: Readonly<Record<RefusalReason, number>>;
  /** Of flushes that did not fail, in seconds. */
  readonly flushSeconds: Histogram;
  readonly latest: Latest;
  count(name: CountedName, by?: number): void;
  countRefused(reason: RefusalReason): void;
  /** A flush that has ended well: entries removed, and its duration in microseconds. */
  countFlushed(removed: number, micros: number): void;
  /** A request created at a Unix time in ms and signed with a key. */
  countAuthentic(outcome: AuthenticOutcome, created: number, keyId: string): void;
  /** Calls `run` once, when anything is counted next; null: nobody. It must not take long. */
  whenCounted(run: (() => void) | null): void;
}

/** From one `ip` on an idle host to its time limit and beyond. */
const flushBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  const record: Partial<Record<Name, number>> = {};
  for (const name of names) record[name] = 0;
  return record as Record<Name, number>;
}

/** Counters at zero; `wall` gives the Unix time in ms. */
export function createCounters(wall: () => number = systemClock.wall): Counters {
  const counted = zeros(countedNames);
  const refused = zeros(refusalReasons);
  const flushSeconds = createHistogram(flushBounds);
  const keyUsed = new Map<string, number>();
  const clockOffset: Record<AuthenticOutcome, number | null> = { accepted: null, stale: null };
  let flushed: number | null = null;
  let waiting: (() => void) | null = null;

  function wake(): void {
    if (waiting === null) return;
    const run = waiting;
    waiting = null;
    run();
  }

  return {
    counted,
    refused,
    flushSeconds,
    latest: {
      get flushed() {
        return flushed;
      },
      clockOffset,
      keyUsed,
    },
    count(name, by = 1) {
      counted[name] += by;
      wake();
    },
    countRefused(reason) {
      refused[reason]++;
      wake();
    },
    countFlushed(removed, micros) {
      counted.entriesRemoved += removed;
      flushSeconds.observe(micros / 1e6);
      flushed = wall();
      wake();
    },
    countAuthentic(outcome, created, keyId) {
      const now = wall();
      counted[outcome]++;
      clockOffset[outcome] = created - now;
      if (outcome === "accepted") keyUsed.set(keyId, now);
      wake();
    },
    whenCounted: (run) => void (waiting = run),
  };
}

// A histogram: how many values fell below each of some bounds. Observing costs a short loop.

/** Values by size; counts only grow. */
export interface Histogram {
  /** Upper bounds, ascending; a value on a bound belongs below it. */
  readonly bounds: readonly number[];
  /** Values of each interval by itself; the last one holds what is over every bound. */
  readonly counts: readonly number[];
  /** Of all values. */
  readonly sum: number;
  observe(value: number): void;
}

/** An empty histogram. */
export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let sum = 0;
  return {
    bounds,
    counts,
    get sum() {
      return sum;
    },
    observe(value) {
      let i = 0;
      while (i < bounds.length && value > bounds[i]) i++;
      counts[i]++;
      sum += value;
    },
  };
}
