/**
 * Hold-down and coalescing of flushes, without timers: the caller hands in the monotonic time in ms.
 *
 * Promise: every request is followed by a flush that covers its scope and starts at or after it and
 * within one hold-down period, while at most 3 flushes start in any hold-down period. Requests over
 * that merge into one pending flush, which is due as soon as the period allows. It holds as far as
 * `tick` is called at `due`; a late tick starts the flush late.
 */
import type { FlushScope } from "../neighbors/neighbor_cache.ts";
import { type AddressPrefix, prefixContains } from "../wire/ip_address.ts";

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
