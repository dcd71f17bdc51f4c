/**
 * Flushes for whoever asks: single addresses at once, everything else as far as the gate (hold-down)
 * allows. Runs the cache, says what happened, and tells those who asked.
 *
 * The gate's promise: every request is followed by a flush that covers its scope and starts at or
 * after it and within one hold-down period, while at most 3 flushes start in any hold-down period.
 * Requests over that merge into one pending flush, which starts as soon as the period allows.
 */
import type { Report } from "../log/events.ts";
import {
  type FlushOutcome,
  type FlushScope,
  type NeighborCache,
  type NeighborCacheError,
  toCacheError,
} from "../neighbors/neighbor_cache.ts";
import { listText } from "../text.ts";
import type { Time } from "../time.ts";
import { type AddressPrefix, formatPrefix, prefixContains } from "../wire/addresses.ts";
import type { Counters } from "./counters.ts";

/** Flush starts allowed in any hold-down period. */
const maxStarts = 3;
/** Prefixes in a pending flush; more become "all", which covers them. */
const maxPendingPrefixes = 256;

/** What covers both scopes: "all" wins, prefixes inside others are left out. */
function unionOf(a: FlushScope, b: FlushScope): FlushScope {
  if (a === "all" || b === "all") return "all";
  const union: AddressPrefix[] = [...a];
  for (const prefix of b) {
    if (!union.some((other) => prefixContains(other, prefix))) union.push(prefix);
  }
  return union.length > maxPendingPrefixes ? "all" : union;
}

/** Names in a log line; more are counted. */
export const maxNames = 5;
/** Who asked for one flush, as far as they are counted. */
const maxRequesters = 4_096;
/**
 * Deletions of single addresses that run at once, each a process of some ms on Linux. What is asked
 * for over that becomes one deletion that waits: the instances of two routers that fail over at once
 * would otherwise start a process each, and hosts answer behind the last of them.
 */
const maxDeletions = 8;

/** What a flusher works with. */
interface FlusherParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly counters: Counters;
  readonly time: Time;
  /** Called when a flush through the gate starts, after the cache was told. */
  readonly started: (scope: FlushScope) => void;
  /** Called when a flush has ended, with the addresses whose entries it removed. */
  readonly removed: (addresses: readonly AddressPrefix[]) => void;
}

/** A flush that has started or will: one for all who asked for it. */
export class Flush {
  /** False while the hold-down lasts. */
  hasStarted = false;
  /** Never rejects. */
  readonly ended: Promise<FlushOutcome | NeighborCacheError>;
  readonly end: (result: FlushOutcome | NeighborCacheError) => void;
  /** Who asked, for the log. */
  readonly requesters = new Set<string>();

  constructor() {
    const { promise, resolve } = Promise.withResolvers<FlushOutcome | NeighborCacheError>();
    this.ended = promise;
    this.end = resolve;
  }
}

/** A deletion of addresses that waits for one that runs. */
interface Deletion {
  readonly addresses: Map<string, AddressPrefix>;
  readonly flush: Flush;
}

/** The one way to flush. Its timer runs only while a flush is pending. */
export class Flusher {
  readonly #parts: FlusherParts;
  readonly #running = new Set<Promise<void>>();
  #holdDownMs: number;
  /** Monotonic ms of the last starts through the gate. */
  #starts: number[] = [];
  #pending: FlushScope | null = null;
  #next = new Flush();
  #nextDeletion: Deletion | null = null;
  #deletions = 0;
  #cancelTimer = () => {};

  constructor(parts: FlusherParts, holdDownMs: number) {
    this.#parts = parts;
    this.#holdDownMs = holdDownMs;
  }

  /** When the gate allows the next flush (monotonic ms). */
  get nextStart(): number {
    return this.#starts.length < maxStarts ? -Infinity : this.#starts[0] + this.#holdDownMs;
  }

  /** Asks for a flush through the gate: it starts before this returns, or when the gate allows. */
  request(scope: FlushScope, who: string): Flush {
    const flush = this.#next;
    if (flush.requesters.size < maxRequesters) flush.requesters.add(who);
    this.#pending = this.#pending === null ? scope : unionOf(this.#pending, scope);
    this.#startWhenDue();
    return flush;
  }

  /** Deletes the entries of whole addresses at once, whatever the gate says. Never rejects. */
  delete(
    addresses: readonly AddressPrefix[],
    who: string,
  ): Promise<FlushOutcome | NeighborCacheError> {
    this.#nextDeletion ??= { addresses: new Map(), flush: new Flush() };
    const { addresses: all, flush } = this.#nextDeletion;
    for (const address of addresses) all.set(formatPrefix(address), address);
    if (flush.requesters.size < maxRequesters) flush.requesters.add(who);
    this.#startDeletion();
    return flush.ended;
  }

  /** Changes the hold-down period, of a pending flush too. */
  setHoldDown(holdDownMs: number): void {
    this.#holdDownMs = holdDownMs;
    this.#startWhenDue();
  }

  /** Starts the pending flush now; resolves when none is running. */
  async finish(): Promise<void> {
    if (this.#pending !== null) this.#start(this.#pending);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #startWhenDue(): void {
    this.#cancelTimer();
    if (this.#pending === null) return;
    const { monotonic, after } = this.#parts.time;
    const ms = this.nextStart - monotonic();
    if (ms <= 0) this.#start(this.#pending);
    else this.#cancelTimer = after(ms, () => this.#startWhenDue());
  }

  #start(scope: FlushScope): void {
    this.#cancelTimer();
    this.#starts = [...this.#starts, this.#parts.time.monotonic()].slice(-maxStarts);
    this.#pending = null;
    const flush = this.#next;
    this.#next = new Flush();
    this.#track(this.#run(scope, flush));
    this.#parts.started(scope);
  }

  #startDeletion(): void {
    if (this.#nextDeletion === null || this.#deletions >= maxDeletions) return;
    const { addresses, flush } = this.#nextDeletion;
    this.#nextDeletion = null;
    this.#deletions++;
    this.#track(
      this.#run([...addresses.values()], flush).then(() => {
        this.#deletions--;
        this.#startDeletion();
      }),
    );
  }

  #track(running: Promise<void>): void {
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }

  async #run(scope: FlushScope, flush: Flush): Promise<void> {
    const { cache, report, counters } = this.#parts;
    flush.hasStarted = true;
    const about = {
      scope: scope === "all" ? "all" : listText(scope.map(formatPrefix), maxNames),
      who: listText(flush.requesters, maxNames),
    };
    counters.count("flushes");
    try {
      const outcome = await cache.flush(scope);
      const milliseconds = Math.round(outcome.micros / 100) / 10;
      counters.countFlushed(outcome.removed, outcome.micros);
      report("flushed", { ...about, removed: outcome.removed, milliseconds });
      for (const note of outcome.notes) report("flushNote", { note });
      this.#parts.removed(outcome.forgotten);
      flush.end(outcome);
    } catch (error) {
      const failure = toCacheError(error);
      counters.count("flushesFailed");
      report("flushFailed", { ...about, error: failure.message, code: failure.code });
      flush.end(failure);
    }
  }
}
