/**
 * The whole order of checks on a datagram, in one function without an await: from bytes and source
 * to what is to be done. The order is in docs/protocol.md. A refused datagram changes nothing here;
 * what was accepted is remembered before this returns, so two copies can't race.
 */
import type { Clock, Time } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  type InterfaceInfo,
  isLoopback,
  parseAddress,
  parseOwnAddress,
  prefixContains,
} from "../wire/addresses.ts";
import { equalConstantTime, type Key, type Keyring } from "../wire/keys.ts";
import {
  type FlushRequest,
  parseRequest,
  requestHeaderFault,
  requestIdOf,
  requestKeyIdOffset,
  requestMacOf,
  verifyRequest,
} from "../wire/request.ts";
import { ReplayWindow, type SeenRequest } from "./replay_window.ts";

/**
 * Why a datagram is met with silence, in the order of the checks. "content" and "id reused" come
 * from an authentic sender that is broken, the others from anybody.
 */
export const refusalReasons = [
  "source",
  "length",
  "magic",
  "version",
  "type",
  "reserved",
  "key",
  "mac",
  "content",
  "id reused",
] as const;
export type RefusalReason = typeof refusalReasons[number];

/** What a reload may change of the checks. */
export interface AcceptanceRules {
  /** Whether a source may be listened to at all. */
  readonly isAllowed: (source: AddressPrefix) => boolean;
  /** Null: no key, so only the legacy datagram can be accepted. */
  readonly keyring: Keyring | null;
  /** Recognizes the legacy datagram; null when it is off. */
  readonly isLegacy: ((bytes: Uint8Array) => boolean) | null;
  readonly toleranceMs: number;
}

/** What is remembered of datagrams; a reload leaves it as it is. */
export interface AcceptanceState {
  readonly window: ReplayWindow;
  readonly isLegacyCopy: IsLegacyCopy;
}

/** The state of a service that starts at this Unix time in ms. */
export function createAcceptanceState(startedAt: number): AcceptanceState {
  return { window: new ReplayWindow(startedAt), isLegacyCopy: createLegacyCopies() };
}

/** A datagram that is met with silence; `key` if it was signed with one of ours. */
export interface Refusal {
  readonly kind: "refused";
  readonly reason: RefusalReason;
  readonly key?: Key;
}

/** An authentic request and the key it came with. */
interface Authentic {
  readonly request: FlushRequest;
  readonly key: Key;
}

/** To be done: new, or a copy of a request whose flush failed. */
export interface NewRequest extends Authentic {
  readonly kind: "new";
  readonly seen: SeenRequest;
  /** False: the window was full, so a copy will be stale rather than a repeat. */
  readonly remembered: boolean;
}

/** Accepted before and not to be done again: its result, once known, is acknowledged again. */
export interface RepeatedRequest {
  readonly kind: "repeat";
  readonly seen: SeenRequest;
  readonly key: Key;
}

/** Not fresh by `clock` (Unix time in ms), which the ack carries; `mac` is the request's. */
export interface StaleRequest extends Authentic {
  readonly kind: "stale";
  readonly clock: number;
  readonly mac: Uint8Array;
}

/** An authentic datagram and what is to be done about it. */
export type Accepted =
  | { readonly kind: "legacy" }
  | { readonly kind: "legacy copy" }
  | NewRequest
  | RepeatedRequest
  | StaleRequest;

/**
 * Judges one datagram, of which it keeps nothing; `source` is unmapped and without a zone. Each
 * clock is read once at most and only when it matters: for junk that would cost as much as all the
 * checks.
 */
export function accept(
  bytes: Uint8Array,
  source: AddressPrefix,
  rules: AcceptanceRules,
  { window, isLegacyCopy }: AcceptanceState,
  clock: Clock,
): Refusal | Accepted {
  if (!rules.isAllowed(source)) return { kind: "refused", reason: "source" };
  const fault = requestHeaderFault(bytes);
  if (fault !== null) {
    if (!rules.isLegacy?.(bytes)) return { kind: "refused", reason: fault };
    return { kind: isLegacyCopy(source, clock.monotonic()) ? "legacy copy" : "legacy" };
  }
  const key = rules.keyring?.find(bytes, requestKeyIdOffset);
  if (key === undefined) return { kind: "refused", reason: "key" };
  if (!verifyRequest(bytes, key)) return { kind: "refused", reason: "mac" };
  const monotonic = clock.monotonic();
  const known = window.find(requestIdOf(bytes), monotonic);
  const isCopy = known !== undefined && equalConstantTime(known.mac, requestMacOf(bytes));
  // Not parsed: its bytes are those of a request that was accepted.
  if (isCopy && known.result?.status !== "failed") return { kind: "repeat", key, seen: known };
  const request = parseRequest(bytes);
  if (request === null) return { kind: "refused", reason: "content", key };
  if (known !== undefined) {
    if (!isCopy) return { kind: "refused", reason: "id reused", key };
    known.result = null;
    return { kind: "new", request, key, seen: known, remembered: true };
  }
  const mac = requestMacOf(bytes).slice();
  const now = { monotonic, wall: clock.wall() };
  if (!window.isFresh(request.created, now, rules.toleranceMs)) {
    return { kind: "stale", request, key, mac, clock: window.clock(now) };
  }
  const remembered = !window.isFull;
  const seen = window.remember(request, mac, now, rules.toleranceMs);
  return { kind: "new", request, key, seen, remembered };
}

/** An address of the host, as `Deno.networkInterfaces` tells it. */
export type AddressInfo = Pick<InterfaceInfo, "address" | "cidr">;

/** Interfaces are read again at the latest after this time, and sooner for an unknown source. */
const maxAgeMs = 30_000;
/** Least time between two readings that unknown sources cause. */
const unknownSourcePauseMs = 1_000;

/**
 * A check for sources inside the given networks. Loopback is always allowed: nobody on a wire can
 * claim it, and the host asks itself from there.
 */
export function allowNetworks(
  networks: readonly AddressPrefix[],
): (source: AddressPrefix) => boolean {
  return (source) =>
    isLoopback(source) || networks.some((network) => prefixContains(network, source));
}

/**
 * A check for on-link sources: those inside the network of one of the host's own addresses, which it
 * follows. When the interfaces can't be read the last networks stay valid.
 */
export class OnLinkSources {
  readonly #readAddresses: () => readonly AddressInfo[];
  readonly #time: Time;
  #check = allowNetworks([]);
  #readAt = 0;
  /** Null when the networks are too old. A timer costs a datagram nothing; a clock would. */
  #cancelAging: (() => void) | null = null;
  /** In a flood many datagrams in a row are from one source, which `parseSource` parses once. */
  #latestAllowed: AddressPrefix | null = null;

  /** Knows no network before its first reading. */
  constructor(readAddresses: () => readonly AddressInfo[], time: Time) {
    this.#readAddresses = readAddresses;
    this.#time = time;
  }

  /** Reads the host's networks, as the first datagram does too. */
  read(): void {
    this.#latestAllowed = null;
    try {
      const own = this.#readAddresses().map(parseOwnAddress).filter((one) => one !== null);
      this.#check = allowNetworks(own.map(({ network }) => network));
    } catch {
      // Out of descriptors, for example: the next refresh tries again.
    }
  }

  isAllowed(source: AddressPrefix): boolean {
    if (this.#cancelAging === null) this.#refresh();
    if (source === this.#latestAllowed) return true;
    if (this.#check(source)) {
      this.#latestAllowed = source;
      return true;
    }
    if (this.#time.monotonic() - this.#readAt < unknownSourcePauseMs) return false;
    this.#refresh();
    return this.#check(source);
  }

  /** Ends its timer. */
  close(): void {
    this.#cancelAging?.();
    this.#cancelAging = null;
  }

  #refresh(): void {
    this.read();
    this.#readAt = this.#time.monotonic();
    this.#cancelAging?.();
    this.#cancelAging = this.#time.after(maxAgeMs, () => this.#cancelAging = null);
  }
}

/** What was parsed last: under load many datagrams in a row come from one source. */
let latest: { readonly hostname: string; readonly source: AddressPrefix | null } | null = null;

/** The address a datagram came from: unmapped (dual-stack sockets), its zone left out. */
export function parseSource(hostname: string): AddressPrefix | null {
  if (latest?.hostname !== hostname) {
    latest = { hostname, source: parseAddress(hostname.replace(/%.*$/, "")) };
  }
  return latest.source;
}

/**
 * The 2009 client sends its datagram five times, one second apart, and nothing in it tells a copy
 * from a new request: copies from one source address within 5 s of the first are one request.
 */
const copiesWithinMs = 5_000;
/** More sources are new requests each time, which the flush gate bounds. */
const maxLegacySources = 1_024;

/** True when a legacy datagram from this source, now (monotonic ms), repeats an earlier one. */
type IsLegacyCopy = (source: AddressPrefix, now: number) => boolean;

/** A memory of legacy requests, empty. */
function createLegacyCopies(): IsLegacyCopy {
  const firstAt = new Map<string, number>();
  return (source, now) => {
    for (const [text, first] of firstAt) {
      if (now - first < copiesWithinMs) break;
      firstAt.delete(text);
    }
    const text = formatAddress(source);
    if (firstAt.has(text)) return true;
    if (firstAt.size < maxLegacySources) firstAt.set(text, now);
    return false;
  };
}
