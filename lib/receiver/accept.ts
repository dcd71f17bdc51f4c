/**
 * The whole order of checks on a datagram, in one function without an await: from bytes and source
 * to what is to be done. The order is in docs/protocol.md. A refused datagram changes nothing here;
 * what was accepted is remembered before this returns, so two copies can't race.
 */
import type { Clock } from "../time.ts";
import { type AddressPrefix, formatAddress } from "../wire/addresses.ts";
import { createMac, equalConstantTime, type RouterKey, type RouterKeys } from "../wire/keys.ts";
import {
  type FlushRequest,
  hasRightFilter,
  parseRequest,
  requestChallengeOf,
  requestCreatedOf,
  requestFilterOf,
  requestHeaderFault,
  requestIdOf,
  requestKeyIdOffset,
  requestMessage,
  requestSignatureOf,
} from "../wire/request.ts";
import {
  AckSources,
  Challenges,
  ReplayWindows,
  type SeenRequest,
  type StaleReason,
} from "./replay_window.ts";

/**
 * Why a datagram is met with silence, in the order of the checks. "content" and "window full" come
 * from an authentic router, the others from anybody.
 */
export const refusalReasons = [
  "source",
  "length",
  "magic",
  "version",
  "type",
  "action",
  "flags",
  "count",
  "reserved",
  "key",
  "filter",
  "id reused",
  "challenge",
  "stale table full",
  "signature",
  "content",
  "window full",
] as const;
export type RefusalReason = typeof refusalReasons[number];

/** What a reload may change of the checks. */
export interface AcceptanceRules {
  /** Whether a source may be listened to at all. */
  readonly isAllowed: (source: AddressPrefix) => boolean;
  /** Without any, only the legacy datagram can be accepted. */
  readonly routerKeys: RouterKeys;
  /** Whether a signature is the key's for a message. Synchronous, or two copies could race. */
  readonly isSignedBy: (key: RouterKey, message: Uint8Array, signature: Uint8Array) => boolean;
  /** Recognizes the legacy datagram; null when it is off. */
  readonly isLegacy: ((bytes: Uint8Array) => boolean) | null;
  readonly toleranceMs: number;
}

/** What is remembered of datagrams; a reload leaves it as it is. */
export interface AcceptanceState {
  readonly windows: ReplayWindows;
  readonly challenges: Challenges;
  readonly isLegacyCopy: IsLegacyCopy;
}

/**
 * The state of a service that starts at this Unix time in ms; `challengeSecret` is 32 random bytes
 * that nobody else has.
 */
export function createAcceptanceState(
  startedAt: number,
  challengeSecret: Uint8Array,
): AcceptanceState {
  return {
    windows: new ReplayWindows(startedAt),
    challenges: new Challenges(createMac(challengeSecret)),
    isLegacyCopy: createLegacyCopies(),
  };
}

/** A datagram that is met with silence; `key` if it was signed with one of ours. */
export interface Refusal {
  readonly kind: "refused";
  readonly reason: RefusalReason;
  readonly key?: RouterKey;
}

/** An authentic request that hasn't been seen, to be carried out. */
export interface NewRequest {
  readonly kind: "new";
  readonly request: FlushRequest;
  readonly seen: SeenRequest;
  /** False: the window was full, so a copy will be stale. */
  readonly isRemembered: boolean;
}

/** Known, accepted or stale: its result, once there is one, is acknowledged again. */
export interface CopiedRequest {
  readonly kind: "copy";
  readonly seen: SeenRequest;
}

/** Not fresh, at `wall` by the host's clock (Unix ms), and without a challenge. */
export interface StaleRequest {
  readonly kind: "stale";
  readonly request: FlushRequest;
  readonly seen: SeenRequest;
  readonly reason: StaleReason;
  readonly wall: number;
}

/** A datagram that something is to be done about. */
export type Accepted =
  | { readonly kind: "legacy" }
  | { readonly kind: "legacy copy" }
  | NewRequest
  | CopiedRequest
  | StaleRequest;

/**
 * Judges one datagram, of which it keeps nothing; `source` is unmapped and without a zone. The clocks
 * are read only when it matters what time it is: for junk that would cost as much as all the checks.
 */
export function accept(
  bytes: Uint8Array,
  source: AddressPrefix,
  rules: AcceptanceRules,
  state: AcceptanceState,
  clock: Clock,
): Refusal | Accepted {
  const { toleranceMs } = rules;
  if (!rules.isAllowed(source)) return refusal("source");
  const fault = requestHeaderFault(bytes);
  if (fault !== null) {
    if (!rules.isLegacy?.(bytes)) return refusal(fault);
    return { kind: state.isLegacyCopy(source, clock.monotonic()) ? "legacy copy" : "legacy" };
  }
  const key = rules.routerKeys.find(bytes, requestKeyIdOffset);
  if (key === undefined) return refusal("key");
  if (!hasRightFilter(bytes, key)) return refusal("filter");

  const window = state.windows.of(key);
  const now = clock.monotonic();
  const known = window.find(requestIdOf(bytes), now);
  if (known !== undefined) {
    if (!equalConstantTime(known.filter, requestFilterOf(bytes))) return refusal("id reused");
    return { kind: "copy", seen: known };
  }

  const challenge = requestChallengeOf(bytes);
  const hasChallenge = challenge.some(Boolean);
  if (hasChallenge && !state.challenges.isRight(challenge, key.id, now)) {
    return refusal("challenge");
  }
  const created = requestCreatedOf(bytes);
  const wall = clock.wall();
  const staleness = hasChallenge ? null : window.staleness(created, wall, toleranceMs);
  if (staleness !== null && !window.hasRoomForStale(created)) return refusal("stale table full");

  if (!rules.isSignedBy(key, requestMessage(bytes), requestSignatureOf(bytes))) {
    return refusal("signature");
  }
  const request = parseRequest(bytes);
  if (request === null) return refusal("content", key);

  const seen = seenOf(request, key, requestFilterOf(bytes).slice(), staleness !== null);
  if (staleness !== null) {
    window.rememberStale(seen, now, toleranceMs);
    return { kind: "stale", request, seen, reason: staleness, wall };
  }
  const memory = window.accept(seen, hasChallenge, now, toleranceMs);
  if (memory === "refused") return refusal("window full", key);
  return { kind: "new", request, seen, isRemembered: memory === "remembered" };
}

function refusal(reason: RefusalReason, key?: RouterKey): Refusal {
  return { kind: "refused", reason, key };
}

function seenOf(
  { id, created, acknowledge, ackSpreadMs }: FlushRequest,
  key: RouterKey,
  filter: Uint8Array,
  isStale: boolean,
): SeenRequest {
  return {
    id,
    created,
    acknowledge,
    ackSpreadMs,
    key,
    filter,
    isStale,
    result: null,
    sources: new AckSources(),
    triedAt: 0,
    retries: 0,
  };
}

// The 2009 datagram: the password's bytes and nothing else. Anyone on the wire can read and repeat it;
// it is off unless a password is configured.

/**
 * A checker for one password: true when a datagram is the password in UTF-8, with nothing or one NUL,
 * LF or CRLF behind it. Each candidate is compared in constant time. The password must not be empty.
 */
export function createLegacyCheck(password: string): (bytes: Uint8Array) => boolean {
  if (password === "") throw new RangeError("A legacy password must not be empty");
  const candidates = ["", "\0", "\n", "\r\n"].map((end) =>
    new TextEncoder().encode(password + end)
  );
  return (bytes) => candidates.some((candidate) => equalConstantTime(bytes, candidate));
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
