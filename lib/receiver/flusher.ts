/**
 * Flushes for whoever asks, as far as the gate (hold-down) allows: runs the cache, says what
 * happened, and tells those who asked.
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
  /** Of the last flushes. */
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

/** Somebody who asked for a flush. */
interface Requester {
  /** For the log. */
  readonly who: string;
  /**
   * Called when the flush that covers the request has ended; must not throw or reject. `finish`
   * waits for what it promises.
   */
  readonly ended: (result: FlushOutcome | NeighborCacheError) => void | Promise<void>;
}

/** Who is told of the pending flush, at most: as many as the replay window remembers. */
const maxRequesters = 4_096;
/** Names in a log line; more are counted. */
export const maxNames = 5;

/** What a flusher works with. */
interface FlusherParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly counters: Counters;
  readonly time: Time;
}

/** The one way to flush. Its timer runs only while a flush is pending. */
export class Flusher {
  readonly #parts: FlusherParts;
  readonly #gate: FlushGate;
  readonly #running = new Set<Promise<void>>();
  #requesters: Requester[] = [];
  #cancelTimer = () => {};

  constructor(parts: FlusherParts, holdDownMs: number) {
    this.#parts = parts;
    this.#gate = new FlushGate(holdDownMs);
  }

  /**
   * Asks for a flush: it starts before this returns, or when the gate allows. Who asks while 4,096
   * wait is flushed for all the same, but not told.
   */
  request(scope: FlushScope, who: string, ended: Requester["ended"] = () => {}): void {
    if (this.#requesters.length < maxRequesters) this.#requesters.push({ who, ended });
    const decision = this.#gate.request(scope, this.#parts.time.monotonic());
    if ("start" in decision) this.#start(decision.start);
    else this.#setTimer();
  }

  /** Changes the hold-down period, of a pending flush too. */
  setHoldDown(holdDownMs: number): void {
    this.#gate.setHoldDown(holdDownMs);
    this.#setTimer();
  }

  /** Starts the pending flush now; resolves when no flush is running and everybody has been told. */
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
    const requesters = this.#requesters;
    this.#requesters = [];
    const flushing = this.#flush(scope, requesters);
    this.#running.add(flushing);
    flushing.finally(() => this.#running.delete(flushing));
  }

  async #flush(scope: FlushScope, requesters: readonly Requester[]): Promise<void> {
    const result = await this.#runCache(
      scope,
      listText(requesters.map(({ who }) => who), maxNames),
    );
    await Promise.all(requesters.map(({ ended }) => ended(result)));
  }

  async #runCache(scope: FlushScope, who: string): Promise<FlushOutcome | NeighborCacheError> {
    const { cache, report, counters } = this.#parts;
    const about = {
      scope: scope === "all" ? "all" : listText(scope.map(formatPrefix), maxNames),
      who,
    };
    counters.count("flushes");
    try {
      const outcome = await cache.flush(scope);
      const milliseconds = Math.round(outcome.micros / 100) / 10;
      counters.countFlushed(outcome.removed, outcome.micros);
      report("flushed", { ...about, removed: outcome.removed, milliseconds });
      for (const note of outcome.notes) report("flushNote", { note });
      return outcome;
    } catch (error) {
      const failure = toCacheError(error);
      counters.count("flushesFailed");
      report("flushFailed", { ...about, error: failure.message, code: failure.code });
      return failure;
    }
  }
}
