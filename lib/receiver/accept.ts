/**
 * The whole order of checks on a datagram, in one function without an await: from bytes and source
 * to a verdict. The order is in docs/protocol.md. A refused datagram changes nothing here; what was
 * accepted is remembered before this returns, so two copies can't race.
 */
import type { After, Clock } from "../time.ts";
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
  type HeaderFault,
  parseRequest,
  requestHeaderFault,
  requestIdOf,
  requestKeyIdOffset,
  requestMacOf,
  verifyRequest,
} from "../wire/request.ts";
import type { ReplayWindow, SeenRequest } from "./replay_window.ts";

/**
 * Why a datagram is met with silence, in the order of the checks. "content" and "id reused" come
 * from an authentic sender that is broken: all others from anybody.
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
] as const satisfies readonly (HeaderFault | string)[];
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

/** What outlives a reload. */
export interface AcceptanceMemory {
  readonly window: ReplayWindow;
  readonly isLegacyCopy: IsLegacyCopy;
}

/** An authentic request and the key it came with. */
interface Authentic {
  readonly request: FlushRequest;
  readonly key: Key;
}

/** What is to be done with a datagram. */
export type Verdict =
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly key?: Key }
  | { readonly kind: "legacy" }
  | { readonly kind: "legacy copy" }
  /** Seen before, and not to be done again: its outcome, once known, is acknowledged again. */
  | { readonly kind: "repeat"; readonly seen: SeenRequest; readonly key: Key }
  /** Not fresh by `clock` (Unix time in ms), which the ack carries; `mac` is the request's. */
  | { readonly kind: "stale"; readonly clock: number; readonly mac: Uint8Array } & Authentic
  /** To be done: new, or a copy of a request whose flush failed. */
  | {
    readonly kind: "accepted";
    readonly seen: SeenRequest;
    /** False: the window was full, so a copy will be stale rather than a repeat. */
    readonly remembered: boolean;
  } & Authentic;

/**
 * The verdict on one datagram, of which it keeps nothing; `source` is unmapped and without a zone.
 * Each clock is read when it matters what time it is, once at most: for junk that would cost as much
 * as all the checks.
 */
export function accept(
  bytes: Uint8Array,
  source: AddressPrefix,
  rules: AcceptanceRules,
  { window, isLegacyCopy }: AcceptanceMemory,
  clock: Clock,
): Verdict {
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
  if (isCopy && known.outcome?.status !== "failed") return { kind: "repeat", key, seen: known };
  const request = parseRequest(bytes);
  if (request === null) return { kind: "refused", reason: "content", key };
  if (known !== undefined) {
    if (!isCopy) return { kind: "refused", reason: "id reused", key };
    known.outcome = null;
    return { kind: "accepted", request, key, seen: known, remembered: true };
  }
  const mac = requestMacOf(bytes).slice();
  const now = { monotonic, wall: clock.wall() };
  if (!window.isFresh(request.created, now, rules.toleranceMs)) {
    return { kind: "stale", request, key, mac, clock: window.clock(now) };
  }
  const remembered = !window.isFull;
  const seen = window.remember(request, mac, now, rules.toleranceMs);
  return { kind: "accepted", request, key, seen, remembered };
}

// Whose datagrams are looked at. On-link means: inside the network of one of the host's own addresses. Loopback always is, as nobody on a wire can claim it: the host asks itself that way.

/** Interfaces are read again at the latest after this time, and sooner for an unknown source. */
const refreshEveryMs = 30_000;
/** Between two readings because of unknown sources. */
const refreshOnMissMs = 1_000;

/** A check for sources inside the given networks. */
export function allowNetworks(
  networks: readonly AddressPrefix[],
): (source: AddressPrefix) => boolean {
  return (source) =>
    isLoopback(source) || networks.some((network) => prefixContains(network, source));
}

/** A check for on-link sources that follows the host's addresses. */
export interface OnLinkSources {
  readonly isAllowed: (source: AddressPrefix) => boolean;
  /** Reads the host's networks, as the first datagram makes it do too. */
  readonly read: () => void;
  /** Ends its timer. */
  close(): void;
}

/** Knows no network yet. When the interfaces can't be read the last networks stay valid. */
export function createOnLinkSources(
  readAddresses: () => readonly Pick<InterfaceInfo, "address" | "cidr">[],
  monotonic: () => number,
  after: After,
): OnLinkSources {
  let check = allowNetworks([]);
  let readAt = -Infinity;
  // While they are fresh. A timer costs nothing for each datagram, as a look at the clock would.
  let cancel: (() => void) | null = null;
  // In a flood many datagrams in a row are from one source, which `parseSource` has parsed once.
  let latestAllowed: AddressPrefix | null = null;
  function read(): void {
    latestAllowed = null;
    try {
      const own = readAddresses().map(parseOwnAddress).filter((address) => address !== null);
      check = allowNetworks(own.map(({ network }) => network));
    } catch {
      // Out of descriptors, for example: the next refresh tries again.
    }
  }
  function refresh(): void {
    read();
    readAt = monotonic();
    cancel?.();
    cancel = after(refreshEveryMs, () => cancel = null);
  }
  return {
    read,
    isAllowed(source) {
      if (cancel === null) refresh();
      if (source === latestAllowed) return true;
      if (check(source)) {
        latestAllowed = source;
        return true;
      }
      if (monotonic() - readAt < refreshOnMissMs) return false;
      refresh();
      return check(source);
    },
    close() {
      cancel?.();
      cancel = null;
    },
  };
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

// The 2009 client sends its datagram five times, one second apart, and nothing in it tells a copy from a new request. Copies from one source address within 5 s of the first are one request.

const copiesWithinMs = 5_000;
/** Sources remembered at once; one more is a new request each time, which the flush gate bounds. */
const sourcesMost = 1_024;

/** True when a legacy datagram from this source, now (monotonic ms), repeats an earlier one. */
export type IsLegacyCopy = (source: AddressPrefix, now: number) => boolean;

/** A memory of legacy requests, empty. */
export function createLegacyCopies(): IsLegacyCopy {
  const firstAt = new Map<string, number>();
  return (source, now) => {
    for (const [text, first] of firstAt) {
      if (now - first < copiesWithinMs) break;
      firstAt.delete(text);
    }
    const text = formatAddress(source);
    if (firstAt.has(text)) return true;
    if (firstAt.size < sourcesMost) firstAt.set(text, now);
    return false;
  };
}
