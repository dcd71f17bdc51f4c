/**
 * Which authentic requests are fresh, and which have been here before.
 *
 * Promise: a request that was accepted once is never fresh again as long as the window lives,
 * whatever the host's clock does. Two things keep it:
 * - ids are remembered for 2 x tolerance + 1 s on the monotonic clock; a live id is never evicted;
 * - `floor`, which only rises: a request created at or before it is not fresh. It starts just before
 *   the start of the service and rises to the creation of every request that is forgotten.
 *
 * Requests are judged by `clock`: the host's clock, but never at or before the floor. It is what a
 * `stale` ack carries, so that a sender who follows it gets through even after the host's clock was
 * stepped back.
 *
 * While the window is full (4,096 live ids) nothing is forgotten early. A request is then fresh only
 * if it was created after every request accepted so far; it is accepted without being remembered and
 * the floor rises to it. Its copies, and genuine requests that happen to be older, are answered
 * `stale` and come through on the repetition; replays do not.
 */
import type { Instant } from "../time.ts";
import type { FlushAck } from "../wire/ack.ts";
import type { FlushRequest } from "../wire/request.ts";

/** How a request ended, as its acks tell it. */
export type Outcome = Pick<FlushAck, "status" | "error" | "entries" | "micros" | "reports">;

/** Where an ack goes. */
export type Destination = Deno.NetAddr;

/** What the window needs of a request, and what is to be known of it when a copy comes. */
export type Memorable = Pick<FlushRequest, "id" | "created" | "acknowledge" | "ackSpreadMs">;

/** What is known of an accepted request. The receive path changes it, the window only keeps it. */
export interface SeenRequest extends Memorable {
  /** The MAC it came with: the same id with another one is another request. */
  readonly mac: Uint8Array;
  /** Null while its flush is pending or running. */
  outcome: Outcome | null;
  /** Who is to be acknowledged when the flush has ended. */
  waiting: Destination[];
  /** Acks sent or promised. */
  acks: number;
}

/** The most acks to one request id. */
export const acksMost = 8;

const capacityDefault = 4_096;

/** The freshness and the memory of the receive path. */
export interface ReplayWindow {
  /** The accepted request with this id, if it is still remembered. */
  find(id: Uint8Array, monotonic: number): SeenRequest | undefined;
  /** Whether a request that is not remembered was created within the tolerance and over the floor. */
  isFresh(created: number, now: Instant, toleranceMs: number): boolean;
  /** Accepts a fresh request: remembers it with its MAC, or when full only raises the floor. */
  remember(
    request: Memorable,
    mac: Uint8Array,
    now: Instant,
    toleranceMs: number,
  ): SeenRequest;
  /** The clock that requests are judged by, Unix time in ms. */
  clock(now: Instant): number;
  /** How many ids are remembered. */
  readonly size: number;
  readonly isFull: boolean;
}

/** How long an id is remembered: longer than its request can be within the tolerance. */
export function memoryMs(toleranceMs: number): number {
  return 2 * toleranceMs + 1_000;
}

/** An empty window of a service that starts at this Unix time in ms. */
export function createReplayWindow(startedAt: number, capacity = capacityDefault): ReplayWindow {
  const live = new Map<string, { seen: SeenRequest; forgetAt: number }>();
  let floor = startedAt - 1;
  let newest = floor;

  // In the order of acceptance, which is the order of forgetting while the tolerance stays the same;
  // after a change of it some are kept a little longer.
  function forget(monotonic: number): void {
    for (const [id, { seen, forgetAt }] of live) {
      if (forgetAt > monotonic) return;
      live.delete(id);
      floor = Math.max(floor, seen.created);
    }
  }
  const effectiveFloor = () => live.size >= capacity ? newest : floor;
  const textOf = (id: Uint8Array) => id.toHex();
  const clock = (now: Instant) => Math.max(now.wall, effectiveFloor() + 1);

  return {
    find(id, monotonic) {
      forget(monotonic);
      return live.get(textOf(id))?.seen;
    },
    isFresh(created, now, toleranceMs) {
      forget(now.monotonic);
      return created > effectiveFloor() && Math.abs(clock(now) - created) <= toleranceMs;
    },
    remember({ id, created, acknowledge, ackSpreadMs }, mac, now, toleranceMs) {
      const seen: SeenRequest = {
        id,
        created,
        acknowledge,
        ackSpreadMs,
        mac,
        outcome: null,
        waiting: [],
        acks: 0,
      };
      if (live.size >= capacity) floor = created;
      else {
        const forgetAt = now.monotonic + memoryMs(toleranceMs);
        live.set(textOf(id), { seen, forgetAt });
      }
      newest = Math.max(newest, created);
      return seen;
    },
    clock(now) {
      forget(now.monotonic);
      return clock(now);
    },
    get size() {
      return live.size;
    },
    get isFull() {
      return live.size >= capacity;
    },
  };
}
