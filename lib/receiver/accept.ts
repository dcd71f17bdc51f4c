/**
 * The whole order of checks on a datagram, in one function without an await: from bytes and source
 * to a verdict. The order is in docs/protocol.md. A refused datagram changes nothing here; what was
 * accepted is remembered before this returns, so two copies can't race.
 */
import type { AddressPrefix } from "../wire/ip_address.ts";
import type { Key, Keyring } from "../wire/keyring.ts";
import { equalConstantTime } from "../wire/mac.ts";
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
import type { Clock } from "./clock.ts";
import type { IsLegacyCopy } from "./legacy_copies.ts";
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
