/**
 * Which authentic requests are fresh, and which have been here before.
 *
 * Promise: a request that was accepted once is never fresh again as long as the window lives,
 * whatever the host's clock does. Two things keep it:
 * - ids are remembered for 2 x tolerance + 1 s on the monotonic clock; a live id is never evicted;
 * - `floor`, which only rises: a request created at or before it is not fresh. It starts just before
 *   the start of the service and rises to the creation of every request that is forgotten.
 *
 * Requests are judged by `clock`: the host's clock, but never at or before the floor. A `stale` ack
 * carries it, so that a sender who follows it gets through even after the host's clock was stepped
 * back.
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
export type RequestResult = Pick<FlushAck, "status" | "error" | "entries" | "micros" | "reports">;

/** What is known of an accepted request. The receive path changes it, the window only keeps it. */
export interface SeenRequest
  extends Pick<FlushRequest, "id" | "created" | "acknowledge" | "ackSpreadMs"> {
  /** The MAC it came with: the same id with another one is another request. */
  readonly mac: Uint8Array;
  /** Null while its flush is pending or running. */
  result: RequestResult | null;
  /** Who gets the ack when the flush has ended. */
  waiting: Deno.NetAddr[];
  /** Acks sent or promised. */
  acks: number;
}

/** The most acks to one request id. */
export const maxAcks = 8;

const maxIds = 4_096;

/** How long an id is remembered: longer than its request can be within the tolerance. */
function memoryMs(toleranceMs: number): number {
  return 2 * toleranceMs + 1_000;
}

/** Adds a source to those who get the ack: each once, and no more than may get one. */
export function addWaiting({ waiting }: SeenRequest, from: Deno.NetAddr): void {
  const waits = waiting.some(({ hostname, port }) =>
    hostname === from.hostname && port === from.port
  );
  if (!waits && waiting.length < maxAcks) waiting.push(from);
}

/** The memory of the receive path. Its caller owns the clocks. */
export class ReplayWindow {
  readonly #capacity: number;
  /**
   * In the order of acceptance, which is the order of forgetting while the tolerance stays the same;
   * after a change of it some are kept a little longer.
   */
  readonly #live = new Map<string, { seen: SeenRequest; forgetAt: number }>();
  #floor: number;
  /** The latest creation of an accepted request. */
  #newest: number;

  /** The window of a service that starts at this Unix time in ms. */
  constructor(startedAt: number, capacity = maxIds) {
    this.#capacity = capacity;
    this.#floor = this.#newest = startedAt - 1;
  }

  /** How many ids are remembered. */
  get size(): number {
    return this.#live.size;
  }

  get isFull(): boolean {
    return this.#live.size >= this.#capacity;
  }

  /** The accepted request with this id, if it is still remembered. */
  find(id: Uint8Array, monotonic: number): SeenRequest | undefined {
    this.#forget(monotonic);
    return this.#live.get(id.toHex())?.seen;
  }

  /** Whether a request that is not remembered was created within the tolerance and over the floor. */
  isFresh(created: number, now: Instant, toleranceMs: number): boolean {
    const clock = this.clock(now);
    return created > this.#effectiveFloor && Math.abs(clock - created) <= toleranceMs;
  }

  /** The clock that requests are judged by, Unix time in ms. */
  clock({ monotonic, wall }: Instant): number {
    this.#forget(monotonic);
    return Math.max(wall, this.#effectiveFloor + 1);
  }

  /** Accepts a fresh request: remembers it with its MAC, or when full only raises the floor. */
  remember(
    { id, created, acknowledge, ackSpreadMs }: Omit<
      SeenRequest,
      "mac" | "result" | "waiting" | "acks"
    >,
    mac: Uint8Array,
    now: Instant,
    toleranceMs: number,
  ): SeenRequest {
    const request = { id, created, acknowledge, ackSpreadMs };
    const seen: SeenRequest = { ...request, mac, result: null, waiting: [], acks: 0 };
    if (this.isFull) this.#floor = created;
    else {
      const forgetAt = now.monotonic + memoryMs(toleranceMs);
      this.#live.set(id.toHex(), { seen, forgetAt });
    }
    this.#newest = Math.max(this.#newest, created);
    return seen;
  }

  get #effectiveFloor(): number {
    return this.isFull ? this.#newest : this.#floor;
  }

  #forget(monotonic: number): void {
    for (const [id, { seen, forgetAt }] of this.#live) {
      if (forgetAt > monotonic) return;
      this.#live.delete(id);
      this.#floor = Math.max(this.#floor, seen.created);
    }
  }
}
