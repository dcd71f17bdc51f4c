/**
 * Flushes for whoever asks, through the gate: runs the cache, says what happened, tells the askers.
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
import type { After } from "../time.ts";
import { type AddressPrefix, formatPrefix, prefixContains } from "../wire/addresses.ts";
import type { Counters } from "./counters.ts";

/** What the flusher needs. */
export interface FlusherParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly counters: Counters;
  readonly now: () => number;
  readonly after: After;
  readonly holdDownMs: number;
}

/** Somebody who asked for a flush. */
export interface Asker {
  /** For the log. */
  readonly who: string;
  /**
   * Called when the flush that covers the request has ended; must not throw or reject. `finish`
   * waits for what it promises.
   */
  readonly ended: (result: FlushOutcome | NeighborCacheError) => void | Promise<void>;
}

/** The one way to flush. */
export interface Flusher {
  request(scope: FlushScope, asker: Asker): void;
  setHoldDown(holdDownMs: number): void;
  /** Starts the pending flush now; resolves when no flush is running and every asker is done. */
  finish(): Promise<void>;
}

/** Names in a log line; more are counted. */
export const maxNames = 5;

/** A flusher over a cache, with a gate that has seen no flush. */
export function createFlusher(parts: FlusherParts): Flusher {
  const { cache, report, counters, now, after, holdDownMs } = parts;
  const running = new Set<Promise<void>>();

  async function run(
    scope: FlushScope,
    about: { scope: string; who: string },
  ): Promise<FlushOutcome | NeighborCacheError> {
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
  async function flush(scope: FlushScope, askers: readonly Asker[]): Promise<void> {
    const who = listText(askers.map(({ who }) => who), maxNames);
    const result = await run(scope, { scope: scopeText(scope), who });
    await Promise.all(askers.map(({ ended }) => ended(result)));
  }
  const driver = createGateDriver<Asker>({
    gate: createFlushGate(holdDownMs),
    now,
    after,
    start(scope, askers) {
      const flushing = flush(scope, askers);
      running.add(flushing);
      flushing.finally(() => running.delete(flushing));
    },
  });

  return {
    request: driver.request,
    setHoldDown: driver.setHoldDown,
    async finish() {
      driver.drain();
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** A scope for a log line. */
export function scopeText(scope: FlushScope): string {
  return scope === "all" ? "all" : listText(scope.map(formatPrefix), maxNames);
}

// Hold-down and coalescing of flushes, without timers: the caller hands in the monotonic time in ms. Promise: every request is followed by a flush that covers its scope and starts at or after it and within one hold-down period, while at most 3 flushes start in any hold-down period. Requests over that merge into one pending flush, which is due as soon as the period allows. It holds as far as `tick` is called at `due`; a late tick starts the flush late.

/** Flush starts allowed in any hold-down period. */
export const startsMost = 3;
/** Prefixes in a pending flush; more become "all", which covers them. */
export const pendingPrefixesMost = 256;

/** The scope of the flush to start now, or when the pending one is due. */
export type GateDecision =
  | { readonly start: FlushScope }
  | { readonly pendingUntil: number };

/** The state machine. A `now` before an earlier one counts as that earlier one. */
export interface FlushGate {
  /** Asks for a flush. A start returned covers all that was pending too. */
  request(scope: FlushScope, now: number): GateDecision;
  /** The pending flush if it is due; it counts as started. */
  tick(now: number): FlushScope | null;
  /** The pending flush whatever the hold-down says: for the end of the service. */
  drain(now: number): FlushScope | null;
  /** When the pending flush is due, or null. */
  readonly due: number | null;
  /** Changes the hold-down period, of what is pending too. */
  setHoldDown(holdDownMs: number): void;
}

/** A gate that has seen no flush. */
export function createFlushGate(holdDownMs: number): FlushGate {
  let holdDown = holdDownMs;
  let starts: number[] = [];
  let pending: FlushScope | null = null;
  let latest = -Infinity;

  const dueAt = () => starts.length < startsMost ? latest : starts[0] + holdDown;

  function start(scope: FlushScope): FlushScope {
    starts = [...starts, latest].slice(-startsMost);
    pending = null;
    return scope;
  }

  return {
    request(scope, now) {
      latest = Math.max(latest, now);
      const merged = pending === null ? scope : unionOf(pending, scope);
      const due = dueAt();
      if (due <= latest) return { start: start(merged) };
      pending = merged;
      return { pendingUntil: due };
    },
    tick(now) {
      latest = Math.max(latest, now);
      return pending !== null && dueAt() <= latest ? start(pending) : null;
    },
    drain(now) {
      latest = Math.max(latest, now);
      return pending === null ? null : start(pending);
    },
    get due() {
      return pending === null ? null : dueAt();
    },
    setHoldDown(ms) {
      holdDown = ms;
    },
  };
}

/** What covers both scopes: "all" wins, prefixes inside others are left out. */
export function unionOf(a: FlushScope, b: FlushScope): FlushScope {
  if (a === "all" || b === "all") return "all";
  const union: AddressPrefix[] = [...a];
  for (const prefix of b) {
    if (!union.some((other) => prefixContains(other, prefix))) union.push(prefix);
  }
  return union.length > pendingPrefixesMost ? "all" : union;
}

// The flush gate with a timer: whoever asks for a flush is handed to the flush that covers it.

/**
 * Who asked for the pending flush, at most; as many as the replay window remembers. Whoever asks
 * beyond that is flushed for all the same, but not told.
 */
const askersMost = 4_096;

/** What the driver needs. */
export interface GateDriverParts<Asker> {
  readonly gate: FlushGate;
  /** Monotonic time in ms. */
  readonly now: () => number;
  readonly after: After;
  /** Starts a flush at once, for all who asked for it. Must not throw. */
  readonly start: (scope: FlushScope, askers: readonly Asker[]) => void;
}

/** The gate as the receiver uses it. */
export interface GateDriver<Asker> {
  /** Asks for a flush: it is started before this returns, or when the gate allows. */
  request(scope: FlushScope, asker: Asker): void;
  /** Changes the hold-down period. */
  setHoldDown(holdDownMs: number): void;
  /** Starts what is pending now, whatever the hold-down says. */
  drain(): void;
}

/** Drives a gate; the timer runs only while a flush is pending. */
export function createGateDriver<Asker>(parts: GateDriverParts<Asker>): GateDriver<Asker> {
  const { gate, now, after, start } = parts;
  let pending: Asker[] = [];
  let cancel = () => {};

  function started(scope: FlushScope): void {
    cancel();
    const askers = pending;
    pending = [];
    start(scope, askers);
  }
  function arm(): void {
    cancel();
    if (gate.due === null) return;
    cancel = after(gate.due - now(), () => {
      const scope = gate.tick(now());
      if (scope === null) arm();
      else started(scope);
    });
  }

  return {
    request(scope, asker) {
      if (pending.length < askersMost) pending.push(asker);
      const decision = gate.request(scope, now());
      if ("start" in decision) started(decision.start);
      else arm();
    },
    setHoldDown(holdDownMs) {
      gate.setHoldDown(holdDownMs);
      arm();
    },
    drain() {
      const scope = gate.drain(now());
      if (scope !== null) started(scope);
    },
  };
}
