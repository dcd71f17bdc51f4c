/**
 * What a service remembers of requests, by the router's key: which it has seen, how they stand, and who
 * gets their acks; and its challenges. Its caller owns the clocks.
 *
 * Promise: a request that was accepted once is never accepted again as long as the window lives,
 * whatever the host's clock does. Three things keep it:
 * - ids are remembered for longer than their request can be fresh, and a live one is never evicted;
 * - the floor, which only rises: a request created at or before it isn't fresh. It begins at the start
 *   of the service and rises to the creation of each request that is forgotten;
 * - a challenge is right for a minute at most, which is less than an id is remembered. So a request
 *   that carries one doesn't need the floor, and never moves it: the clock it was created by is wrong.
 */
import type { AckStatus, FlushAck } from "../wire/ack.ts";
import { challengeLength } from "../wire/datagram.ts";
import { equalConstantTime, type Mac, type RouterKey } from "../wire/keys.ts";
import type { FlushRequest } from "../wire/request.ts";
import type { Peer } from "./listeners.ts";

/** How a request stands, as its acks tell it. */
export type RequestResult = Pick<FlushAck, "status" | "error" | "entries" | "micros" | "reports">;

/** What is known of a request. The receive path changes it, the window only keeps it. */
export interface SeenRequest
  extends Pick<FlushRequest, "id" | "created" | "acknowledge" | "ackSpreadMs"> {
  readonly key: RouterKey;
  /** The same id with another filter is another request. */
  readonly filter: Uint8Array;
  /** It was not fresh: nothing is done for it, and its result stays null. */
  readonly isStale: boolean;
  /** Null while nothing is known; "pending" is not the end. */
  result: RequestResult | null;
  readonly sources: AckSources;
  /** Monotonic ms. */
  triedAt: number;
  /** How often a copy made its failed flush start again. */
  retries: number;
}

/**
 * Why an authentic request isn't fresh: by its own clock it was created too long before or after the
 * host's time, no later than the service's start, or no later than requests that are forgotten.
 */
export const staleReasons = ["clock", "start", "floor"] as const;
export type StaleReason = typeof staleReasons[number];

const maxIds = 4_096;
const maxStaleIds = 64;

/** How long an id is remembered at least, in ms: longer than its request can be fresh or its challenge right. */
function memoryMs(toleranceMs: number): number {
  return Math.max(2 * toleranceMs, 60_000) + 1_000;
}

interface Remembered {
  readonly seen: SeenRequest;
  /** The floor rises to its creation when it is forgotten. */
  readonly movesFloor: boolean;
  readonly forgetAt: number;
}

/** The memory of one key. All times are monotonic ms, but `created` and `wall` are Unix ms. */
export class ReplayWindow {
  readonly #startedAt: number;
  readonly #capacity: number;
  /** In the order of acceptance; none is forgotten before those that came before it. */
  readonly #accepted = new Map<string, Remembered>();
  readonly #stale = new Map<string, Remembered>();
  #floor: number;

  /** The window of a service that started at this Unix time in ms. */
  constructor(startedAt: number, capacity = maxIds) {
    this.#startedAt = startedAt;
    this.#capacity = capacity;
    this.#floor = startedAt;
  }

  /** How many accepted ids are remembered. */
  get size(): number {
    return this.#accepted.size;
  }

  /** Forgets what is due, then gives the request with this id, accepted or stale. */
  find(id: Uint8Array, now: number): SeenRequest | undefined {
    this.#forget(now);
    const text = id.toHex();
    return (this.#accepted.get(text) ?? this.#stale.get(text))?.seen;
  }

  /** Why a request that isn't remembered is stale, or null if it is fresh. */
  staleness(created: number, wall: number, toleranceMs: number): StaleReason | null {
    if (Math.abs(wall - created) > toleranceMs) return "clock";
    if (created > this.#floor) return null;
    return created <= this.#startedAt ? "start" : "floor";
  }

  /**
   * Whether a stale request may be looked at further. While 64 are remembered, only one created no
   * earlier than any of them: old requests that somebody repeats can't push out what is newer.
   */
  hasRoomForStale(created: number): boolean {
    return this.#stale.size < maxStaleIds ||
      this.#stale.values().every(({ seen }) => seen.created <= created);
  }

  /** Remembers a stale request, in the place of the earliest created one if it has to be. */
  rememberStale(seen: SeenRequest, now: number, toleranceMs: number): void {
    if (this.#stale.size >= maxStaleIds) {
      const [earliest] = [...this.#stale].reduce((one, other) =>
        other[1].seen.created < one[1].seen.created ? other : one
      );
      this.#stale.delete(earliest);
    }
    const forgetAt = now + memoryMs(toleranceMs);
    this.#stale.set(seen.id.toHex(), { seen, movesFloor: false, forgetAt });
  }

  /**
   * Accepts a request that is fresh or carries a right challenge, and remembers it. When the window is
   * full it is remembered by the floor alone, if it was created after all that are remembered, so that
   * its later copies are stale; else, and with a challenge, it can't be accepted.
   */
  accept(
    seen: SeenRequest,
    hasChallenge: boolean,
    now: number,
    toleranceMs: number,
  ): "remembered" | "unremembered" | "refused" {
    if (this.size < this.#capacity) {
      const forgetAt = now + memoryMs(toleranceMs);
      this.#accepted.set(seen.id.toHex(), { seen, movesFloor: !hasChallenge, forgetAt });
      return "remembered";
    }
    if (hasChallenge || seen.created <= this.#newest) return "refused";
    this.#floor = seen.created;
    return "unremembered";
  }

  /** The latest creation of those remembered that were accepted by it. */
  get #newest(): number {
    let newest = this.#floor;
    for (const { seen, movesFloor } of this.#accepted.values()) {
      if (movesFloor) newest = Math.max(newest, seen.created);
    }
    return newest;
  }

  #forget(now: number): void {
    for (const [id, { seen, movesFloor, forgetAt }] of this.#accepted) {
      if (forgetAt > now) break;
      this.#accepted.delete(id);
      if (movesFloor) this.#floor = Math.max(this.#floor, seen.created);
    }
    for (const [id, { forgetAt }] of this.#stale) if (forgetAt <= now) this.#stale.delete(id);
  }
}

/** The windows of all keys that were ever listed: a key that comes back finds its own. */
export class ReplayWindows {
  readonly #startedAt: number;
  readonly #windows = new Map<string, ReplayWindow>();

  /** The windows of a service that starts at this Unix time in ms. */
  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  of({ publicKey }: RouterKey): ReplayWindow {
    const text = publicKey.toHex();
    let window = this.#windows.get(text);
    if (window === undefined) this.#windows.set(text, window = new ReplayWindow(this.#startedAt));
    return window;
  }
}

/** Acks of each status to each source of one request. */
const maxAcks = 8;
/** Sources of one request that get acks. */
const maxAckedSources = 64;

/** An address and port that copies of a request came from, by one of our sockets. */
interface AckedSource {
  readonly to: Peer;
  readonly sent: Record<AckStatus, number>;
  /** It is told the result when there is one. */
  isWaiting: boolean;
}

/**
 * Who gets the acks of one request: the first 64 sources, 8 acks of each status. Whoever repeats a
 * request can forge any number of sources.
 */
export class AckSources {
  readonly #sources = new Map<string, AckedSource>();

  /** Tells a source the next results. */
  wait(to: Peer): void {
    const source = this.#of(to);
    if (source !== null) source.isWaiting = true;
  }

  /** Those who wait; they go on waiting if the result isn't the end. */
  waiting(isEnd: boolean): Peer[] {
    const waiting = [...this.#sources.values()].filter((source) => source.isWaiting);
    for (const source of waiting) source.isWaiting = !isEnd;
    return waiting.map(({ to }) => to);
  }

  /** Counts an ack of this status to a source; false if it has had enough. */
  mayAck(status: AckStatus, to: Peer): boolean {
    const source = this.#of(to);
    if (source === null || source.sent[status] >= maxAcks) return false;
    source.sent[status]++;
    return true;
  }

  #of(to: Peer): AckedSource | null {
    const text = `${to.hostname} ${to.port} ${to.local}`;
    const known = this.#sources.get(text) ?? null;
    if (known !== null || this.#sources.size >= maxAckedSources) return known;
    const sent = { alive: 0, flushed: 0, stale: 0, failed: 0, pending: 0 };
    const source = { to, sent, isWaiting: false };
    this.#sources.set(text, source);
    return source;
  }
}

/** A challenge is right in its slot and the next one. */
const slotMs = 30_000;

/**
 * The challenges of one start of one host: 8 bytes that it tells a router whose clock it doesn't
 * share, in a stale ack. The router's repair carries them back, so it is for this host alone, and
 * fresh by the host's own clock: no signature ever covers a time that another machine named. Times
 * are monotonic, in ms.
 */
export class Challenges {
  readonly #mac: Mac;
  readonly #slotBytes = new Uint8Array(8);
  readonly #slotView = new DataView(this.#slotBytes.buffer);

  /** By a MAC of 32 random bytes that nobody else has and that live as long as the service. */
  constructor(mac: Mac) {
    this.#mac = mac;
  }

  /** The present challenge for a router's key: 8 bytes, never all zero. */
  present(keyId: Uint8Array, now: number): Uint8Array {
    return this.#ofSlot(keyId, Math.floor(now / slotMs));
  }

  /** Whether bytes are the present challenge or the last one. Takes constant time. */
  isRight(challenge: Uint8Array, keyId: Uint8Array, now: number): boolean {
    const slot = Math.floor(now / slotMs);
    const isPresent = equalConstantTime(challenge, this.#ofSlot(keyId, slot));
    const isLast = equalConstantTime(challenge, this.#ofSlot(keyId, slot - 1));
    return isPresent || isLast;
  }

  #ofSlot(keyId: Uint8Array, slot: number): Uint8Array {
    this.#slotView.setBigUint64(0, BigInt(slot));
    const challenge = this.#mac(keyId, this.#slotBytes).slice(0, challengeLength);
    // Zero means that a request answers no challenge.
    if (!challenge.some(Boolean)) challenge[challengeLength - 1] = 1;
    return challenge;
  }
}
