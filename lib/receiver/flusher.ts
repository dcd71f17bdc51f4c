/**
 * Flushes for whoever asks, through the gate: runs the cache, says what happened, tells the askers.
 */
import type { Report } from "../log/events.ts";
import {
  type FlushOutcome,
  type FlushScope,
  type NeighborCache,
  NeighborCacheError,
} from "../neighbors/neighbor_cache.ts";
import { formatPrefix } from "../wire/ip_address.ts";
import type { After } from "./clock.ts";
import type { Counters } from "./counters.ts";
import { createFlushGate } from "./flush_gate.ts";
import { createGateDriver } from "./gate_driver.ts";

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
const namesMost = 5;
/** EIO: what an ack carries for an error that has no number. */
const unknownError = 5;

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
    const who = listText(askers.map(({ who }) => who));
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

/** A failure of the cache; whatever else it threw gets the number of an input/output error. */
export function toCacheError(error: unknown): NeighborCacheError {
  if (error instanceof NeighborCacheError) return error;
  return new NeighborCacheError(
    error instanceof Error ? error.message : String(error),
    unknownError,
  );
}

/** A scope for a log line. */
export function scopeText(scope: FlushScope): string {
  return scope === "all" ? "all" : listText(scope.map(formatPrefix));
}

/** Some names, without repetitions, and how many more there are. */
export function listText(names: readonly string[]): string {
  const different = [...new Set(names)];
  const shown = different.slice(0, namesMost).join(", ");
  const more = different.length - namesMost;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
