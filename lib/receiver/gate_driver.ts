/**
 * The flush gate with a timer: whoever asks for a flush is handed to the flush that covers it.
 */
import type { FlushScope } from "../neighbors/neighbor_cache.ts";
import type { After } from "./clock.ts";
import type { FlushGate } from "./flush_gate.ts";

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
