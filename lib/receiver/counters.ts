/**
 * What the receive path counts since the start of the service. Counting is a few additions; whoever
 * shows the numbers is called once and reads them later.
 */
import { systemTime } from "../time.ts";
import { type RefusalReason, refusalReasons } from "./accept.ts";
import { type StaleReason, staleReasons } from "./replay_window.ts";

/** What is counted beside what was refused or stale. */
const countedNames = [
  "accepted",
  "repeated",
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
type CountedName = typeof countedNames[number];

/** What was last, in Unix time in ms. */
interface Latest {
  /** The end of the last flush that did not fail, or null. */
  readonly flushed: number | null;
  /**
   * The creation minus the host's clock on arrival, in ms, or null: of the last request accepted, and
   * of the last one that was stale by its clock.
   */
  readonly clockOffset: Readonly<Record<"accepted" | "stale", number | null>>;
  /** The last accepted request by key id. */
  readonly keyUsed: ReadonlyMap<string, number>;
}

/** Counts values by size: how many fell below each of some bounds. Counts only grow. */
export class Histogram {
  /** Upper bounds, ascending; a value on a bound belongs below it. */
  readonly bounds: readonly number[];
  /** Values of each interval by itself; the last one holds what is over every bound. */
  readonly counts: number[];
  /** Of all values. */
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.bounds.length && value > this.bounds[i]) i++;
    this.counts[i]++;
    this.sum += value;
  }
}

/** Upper bounds in seconds, from one `ip` on an idle host to its time limit and beyond. */
const flushBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Numbers that only grow, and what was last. */
export class Counters {
  readonly counted = zeros(countedNames);
  readonly refused = zeros(refusalReasons);
  readonly stale = zeros(staleReasons);
  /** Of flushes that did not fail, in seconds. */
  readonly flushSeconds = new Histogram(flushBounds);
  readonly #wall: () => number;
  readonly #keyUsed = new Map<string, number>();
  readonly #clockOffset: Record<"accepted" | "stale", number | null> = {
    accepted: null,
    stale: null,
  };
  #flushed: number | null = null;
  #whenCounted: (() => void) | null = null;

  /** Counters at zero; `wall` gives the Unix time in ms. */
  constructor(wall: () => number = systemTime.wall) {
    this.#wall = wall;
  }

  get latest(): Latest {
    return { flushed: this.#flushed, clockOffset: this.#clockOffset, keyUsed: this.#keyUsed };
  }

  count(name: CountedName, by = 1): void {
    this.counted[name] += by;
    this.#wake();
  }

  countRefused(reason: RefusalReason): void {
    this.refused[reason]++;
    this.#wake();
  }

  /** Counts a flush that did not fail: entries removed, and its duration in microseconds. */
  countFlushed(removed: number, micros: number): void {
    this.counted.entriesRemoved += removed;
    this.flushSeconds.observe(micros / 1e6);
    this.#flushed = this.#wall();
    this.#wake();
  }

  /** Counts an accepted request created at a Unix time in ms and signed with a key. */
  countAccepted(created: number, keyId: string): void {
    const now = this.#wall();
    this.#clockOffset.accepted = created - now;
    this.#keyUsed.set(keyId, now);
    this.count("accepted");
  }

  /** Counts an authentic request that was not fresh. */
  countStale(reason: StaleReason, created: number): void {
    this.stale[reason]++;
    if (reason === "clock") this.#clockOffset.stale = created - this.#wall();
    this.#wake();
  }

  /** Calls `run` once, when anything is counted next; null: nobody. It must not take long. */
  whenCounted(run: (() => void) | null): void {
    this.#whenCounted = run;
  }

  #wake(): void {
    const run = this.#whenCounted;
    if (run === null) return;
    this.#whenCounted = null;
    run();
  }
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  const record: Partial<Record<Name, number>> = {};
  for (const name of names) record[name] = 0;
  return record as Record<Name, number>;
}
