/**
 * FlushAck between meaning and bytes: 232 + 8 m bytes, big-endian, so never longer than its request.
 * The layout is in docs/protocol.md. Signature and MAC cover the request's filter too: an ack can't
 * be moved to another request.
 */
import * as datagram from "./datagram.ts";
import {
  challengeLength,
  idLength,
  isZero,
  maxAddresses,
  offsets,
  readTextField,
  readU32,
  readU64,
  viewOf,
  writeTextField,
} from "./datagram.ts";
import {
  equalConstantTime,
  keyLength,
  macLength,
  publicKeyFault,
  type RouterKey,
  signatureLength,
  signedMessage,
  type SyncSigner,
} from "./keys.ts";
import type { Action } from "./request.ts";

/** How a request stands on a host; the index plus one is the number on the wire. */
export const ackStatuses = ["alive", "flushed", "stale", "failed", "pending"] as const;
export type AckStatus = typeof ackStatuses[number];

/**
 * What a host knows of the neighbor at an address, by the link that its own route to the address
 * takes; the index is the number on the wire.
 * - not concerned: on none of its links, its own address, or a prefix shorter than the address
 * - no neighbor: no entry with a link-layer address (probe), nobody answered (flush)
 * - permanent: a neighbor by an entry that a flush leaves alone
 * - unknown: could not be looked at, or a link-layer address that isn't 6 bytes
 */
export const neighborStates = [
  "not concerned",
  "no neighbor",
  "neighbor",
  "permanent",
  "unknown",
] as const;
type NeighborState = typeof neighborStates[number];

/** The report on one address of the request. */
export interface NeighborReport {
  readonly state: NeighborState;
  /**
   * The cache has an entry with a link-layer address for it or, in answer to a flush, had one that
   * a flush of this service removed within the last 10 minutes.
   */
  readonly cached: boolean;
  /** A route of the host goes through it. */
  readonly gateway: boolean;
  /** 6 bytes, all zero in the states without a neighbor. */
  readonly linkLayerAddress: Uint8Array;
}

/** The meaning of an ack. */
export interface FlushAck {
  readonly status: AckStatus;
  /** The host's clock, Unix time in ms. For people alone. */
  readonly clock: number;
  /** The request's 16 bytes. */
  readonly id: Uint8Array;
  /** The operating system's error code, 0 if none. */
  readonly error: number;
  /** Entries removed; for a probe the entries now in the cache. Stale: 0. */
  readonly entries: number;
  /** Time that the flush took; pending: time until it is due. Stale: 0. */
  readonly micros: number;
  /** Stale: 8 bytes, not all zero, that a repair has to carry. Else null. */
  readonly challenge: Uint8Array | null;
  /** The host's name, cut to 64 bytes of UTF-8. Stale: empty. */
  readonly host: string;
  /** 8 random bytes, chosen when the service started. */
  readonly instance: Uint8Array;
  /** One for each address of the request, in its order, or none. */
  readonly reports: readonly NeighborReport[];
}

const offset = {
  ...offsets,
  status: 6,
  count: 7,
  error: 36,
  challenge: 40,
  entries: 40,
  micros: 44,
  instance: 112,
  reports: 120,
} as const;
const instanceLength = 8;
const reportLength = 8;
const flag = { cached: 1, gateway: 2 } as const;
const maxU32 = 0xffff_ffff;
/** The last time that a `Date` can be. */
const maxTime = 8.64e15;

/** Bytes of an ack with m reports. */
export function ackLength(reportCount: number): number {
  return offset.reports + reportLength * reportCount + keyLength + signatureLength + macLength;
}

/** A count or a duration as the wire carries it: whole, saturated at 32 bits. */
function toU32(value: number): number {
  return Math.min(Math.max(Math.round(value), 0), maxU32);
}

const signatureContext = "arpflush v2 ack";

/**
 * The signed bytes of an ack to the request that came under the router's key with the filter given.
 * Throws a RangeError for what the format can't carry; counts over 32 bits are saturated.
 */
export function encodeAck(
  ack: FlushAck,
  router: RouterKey,
  requestFilter: Uint8Array,
  signer: SyncSigner,
): Uint8Array<ArrayBuffer> {
  const { reports, challenge } = ack;
  if (
    reports.length > maxAddresses || ack.id.length !== idLength ||
    ack.instance.length !== instanceLength
  ) throw new RangeError("Cannot encode an ack: too many reports or a wrong id or instance");
  const isStale = ack.status === "stale";
  if (isStale !== (challenge !== null) || isStale && ack.host !== "") {
    throw new RangeError("Cannot encode an ack: a stale one has a challenge and no name");
  }
  const bytes = new Uint8Array(ackLength(reports.length));
  const view = viewOf(bytes);
  view.setUint32(offset.magic, datagram.magic);
  bytes[offset.version] = datagram.version;
  bytes[offset.type] = datagram.ackType;
  bytes[offset.status] = ackStatuses.indexOf(ack.status) + 1;
  bytes[offset.count] = reports.length;
  bytes.set(router.id, offset.keyId);
  view.setBigUint64(offset.time, BigInt(Math.max(0, Math.trunc(ack.clock))));
  bytes.set(ack.id, offset.id);
  view.setUint32(offset.error, toU32(ack.error));
  view.setUint32(offset.entries, toU32(ack.entries));
  view.setUint32(offset.micros, toU32(ack.micros));
  if (challenge !== null) bytes.set(challenge, offset.challenge);
  writeTextField(bytes, offset.host, ack.host);
  bytes.set(ack.instance, offset.instance);
  reports.forEach((report, i) => {
    const at = offset.reports + reportLength * i;
    bytes[at] = neighborStates.indexOf(report.state);
    bytes[at + 1] = (report.cached ? flag.cached : 0) | (report.gateway ? flag.gateway : 0);
    bytes.set(report.linkLayerAddress, at + 2);
  });
  const { keyAt, signatureAt, macAt } = tailOffsets(reports.length);
  bytes.set(signer.publicKey, keyAt);
  const signature = signer.sign(
    signedMessage(signatureContext, bytes.subarray(0, signatureAt), requestFilter),
  );
  bytes.set(signature, signatureAt);
  bytes.set(router.ackMac(bytes.subarray(0, macAt), requestFilter), macAt);
  return bytes;
}

/** Where key, signature and MAC are behind m reports. */
function tailOffsets(reportCount: number) {
  const keyAt = offset.reports + reportLength * reportCount;
  const signatureAt = keyAt + keyLength;
  return { keyAt, signatureAt, macAt: signatureAt + signatureLength };
}

/** Why a datagram isn't an ack to a request. */
export type AckFault = "length" | "header" | "key" | "request id" | "mac" | "content" | "host key";

/** A request as its sender remembers it. */
export interface SentRequest {
  readonly key: RouterKey;
  readonly id: Uint8Array;
  /** Its last 16 bytes. */
  readonly filter: Uint8Array;
  readonly action: Action;
  readonly acknowledge: boolean;
  /** How many addresses it asked a report on, 0 if none. */
  readonly reportCount: number;
}

/** An ack of right form and MAC. Nobody has said it before its signature is verified. */
interface UnverifiedAck {
  readonly ack: FlushAck;
  /** The host's public key, not one of those that are refused. */
  readonly hostKey: Uint8Array<ArrayBuffer>;
  /** What has to be the host key's signature of what. */
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly message: Uint8Array<ArrayBuffer>;
}

/**
 * The ack to a request, or what is wrong with the datagram as one. The MAC is compared in constant
 * time; the signature is left to the caller. Nothing in it is a view of the bytes.
 */
export function decodeAck(bytes: Uint8Array, request: SentRequest): UnverifiedAck | AckFault {
  // Undefined in a datagram that is too short, which has no ack's length then.
  const count = bytes[offset.count];
  if (count > maxAddresses || bytes.length !== ackLength(count)) return "length";
  if (
    readU32(bytes, offset.magic) !== datagram.magic ||
    bytes[offset.version] !== datagram.version || bytes[offset.type] !== datagram.ackType
  ) return "header";
  const { key, id, filter } = request;
  if (key.id.some((byte, i) => byte !== bytes[offset.keyId + i])) return "key";
  if (id.some((byte, i) => byte !== bytes[offset.id + i])) return "request id";
  const { keyAt, signatureAt, macAt } = tailOffsets(count);
  const mac = bytes.subarray(macAt);
  if (!equalConstantTime(key.ackMac(bytes.subarray(0, macAt), filter), mac)) return "mac";
  const ack = parseAck(bytes, request);
  if (ack === null) return "content";
  const hostKey = bytes.slice(keyAt, signatureAt);
  if (publicKeyFault(hostKey) !== null) return "host key";
  return {
    ack,
    hostKey,
    signature: bytes.slice(signatureAt, macAt),
    message: signedMessage(signatureContext, bytes.subarray(0, signatureAt), filter),
  };
}

/** Whether a host may answer a request so. */
function isAnswer(status: AckStatus, { action, acknowledge }: SentRequest): boolean {
  if (!acknowledge) return false;
  if (status === "alive") return action === "probe";
  return status === "stale" || status === "failed" || action !== "probe";
}

function parseAck(bytes: Uint8Array, request: SentRequest): FlushAck | null {
  const status = ackStatuses[bytes[offset.status] - 1];
  const host = readTextField(bytes, offset.host);
  if (status === undefined || !isAnswer(status, request) || host === null) return null;
  const isStale = status === "stale";
  const challenge = isStale
    ? bytes.slice(offset.challenge, offset.challenge + challengeLength)
    : null;
  if (isStale && (host !== "" || !challenge?.some(Boolean))) return null;
  const hasReports = status !== "stale" && status !== "failed";
  if (bytes[offset.count] !== (hasReports ? request.reportCount : 0)) return null;
  const reports: NeighborReport[] = [];
  for (let i = 0; i < bytes[offset.count]; i++) {
    const report = parseReport(bytes, offset.reports + reportLength * i);
    if (report === null) return null;
    reports.push(report);
  }
  return {
    status,
    clock: Math.min(readU64(bytes, offset.time), maxTime),
    id: bytes.slice(offset.id, offset.id + idLength),
    error: readU32(bytes, offset.error),
    entries: isStale ? 0 : readU32(bytes, offset.entries),
    micros: isStale ? 0 : readU32(bytes, offset.micros),
    challenge,
    host,
    instance: bytes.slice(offset.instance, offset.instance + instanceLength),
    reports,
  };
}

function parseReport(bytes: Uint8Array, at: number): NeighborReport | null {
  const state = neighborStates[bytes[at]];
  const flags = bytes[at + 1];
  if (state === undefined || flags > (flag.cached | flag.gateway)) return null;
  const hasNeighbor = state === "neighbor" || state === "permanent";
  if (!hasNeighbor && !isZero(bytes, at + 2, at + reportLength)) return null;
  return {
    state,
    cached: (flags & flag.cached) !== 0,
    gateway: (flags & flag.gateway) !== 0,
    linkLayerAddress: bytes.slice(at + 2, at + reportLength),
  };
}
