/**
 * Flushes for whoever asks: single addresses at once, everything else as far as the gate (hold-down)
 * allows. Runs the cache, says what happened, and tells those who asked.
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

/** The scope of the flush to start now, or when the pending one is due (monotonic ms). */
type GateDecision =
  | { readonly start: FlushScope }
  | { readonly pendingUntil: number };

/**
 * Hold-down and merging of flushes, without timers: the caller hands in the monotonic time in ms.
 * Promise: every request is followed by a flush that covers its scope and starts at or after it and
 * within one hold-down period, while at most 3 flushes start in any hold-down period. Requests over
 * that merge into one pending flush, which is due as soon as the period allows. It holds if `tick` is
 * called at `due`. A `now` before an earlier one counts as that earlier one.
 */
export class FlushGate {
  #holdDownMs: number;
  /** Monotonic ms of the last starts. */
  #starts: number[] = [];
  #pending: FlushScope | null = null;
  #latest = -Infinity;

  /** A gate that has seen no flush. */
  constructor(holdDownMs: number) {
    this.#holdDownMs = holdDownMs;
  }

  /** Asks for a flush. A start returned covers all that was pending too. */
  request(scope: FlushScope, now: number): GateDecision {
    this.#latest = Math.max(this.#latest, now);
    const merged = this.#pending === null ? scope : unionOf(this.#pending, scope);
    const due = this.#nextStart;
    if (due <= this.#latest) return { start: this.#start(merged) };
    this.#pending = merged;
    return { pendingUntil: due };
  }

  /** The pending flush if it is due; it counts as started. */
  tick(now: number): FlushScope | null {
    this.#latest = Math.max(this.#latest, now);
    return this.#nextStart <= this.#latest ? this.drain(now) : null;
  }

  /** The pending flush whatever the hold-down says: for the end of the service. */
  drain(now: number): FlushScope | null {
    this.#latest = Math.max(this.#latest, now);
    return this.#pending === null ? null : this.#start(this.#pending);
  }

  /** When the pending flush is due, or null. */
  get due(): number | null {
    return this.#pending === null ? null : this.#nextStart;
  }

  /** Changes the hold-down period, of what is pending too. */
  setHoldDown(holdDownMs: number): void {
    this.#holdDownMs = holdDownMs;
  }

  get #nextStart(): number {
    return this.#starts.length < maxStarts ? this.#latest : this.#starts[0] + this.#holdDownMs;
  }

  #start(scope: FlushScope): FlushScope {
    this.#starts = [...this.#starts, this.#latest].slice(-maxStarts);
    this.#pending = null;
    return scope;
  }
}

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
  /** Called when a flush of the gate starts, after the cache was told. */
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
  readonly #gate: FlushGate;
  readonly #running = new Set<Promise<void>>();
  #next = new Flush();
  #nextDeletion: Deletion | null = null;
  #deletions = 0;
  #cancelTimer = () => {};

  constructor(parts: FlusherParts, holdDownMs: number) {
    this.#parts = parts;
    this.#gate = new FlushGate(holdDownMs);
  }

  /** When the pending flush is due (monotonic ms), or null. */
  get due(): number | null {
    return this.#gate.due;
  }

  /** Asks for a flush through the gate: it starts before this returns, or when the gate allows. */
  request(scope: FlushScope, who: string): Flush {
    const flush = this.#next;
    if (flush.requesters.size < maxRequesters) flush.requesters.add(who);
    const decision = this.#gate.request(scope, this.#parts.time.monotonic());
    if ("start" in decision) this.#start(decision.start);
    else this.#setTimer();
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
    this.#gate.setHoldDown(holdDownMs);
    this.#setTimer();
  }

  /** Starts the pending flush now; resolves when none is running. */
  async finish(): Promise<void> {
    const scope = this.#gate.drain(this.#parts.time.monotonic());
    if (scope !== null) this.#start(scope);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #setTimer(): void {
    this.#cancelTimer();
    if (this.#gate.due === null) return;
    const { monotonic, after } = this.#parts.time;
    this.#cancelTimer = after(this.#gate.due - monotonic(), () => {
      const scope = this.#gate.tick(monotonic());
      if (scope === null) this.#setTimer();
      else this.#start(scope);
    });
  }

  #start(scope: FlushScope): void {
    this.#cancelTimer();
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
