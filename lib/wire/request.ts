/**
 * FlushRequest between meaning and bytes: 232 + 18 n bytes, big-endian, n at most 55. The layout is
 * in docs/protocol.md. Making one has three steps, because signing may be asynchronous:
 * `encodeRequest`, a signature of `requestMessage`, `sealRequest`. Reading has steps too, because
 * acceptance has: `requestHeaderFault`, `hasRightFilter`, a check of the signature, and
 * `parseRequest` for what only an authentic sender gets wrong.
 */
import { addressBits, type AddressPrefix, hasHostBits } from "./addresses.ts";
import * as datagram from "./datagram.ts";
import {
  challengeLength,
  headerLength,
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
  macLength,
  type RouterKey,
  signatureLength,
  signedMessage,
} from "./keys.ts";

/** What a request asks for; the index is the number on the wire. */
export const actions = ["probe", "flush all", "flush listed"] as const;
export type Action = typeof actions[number];

/** The meaning of a request. */
export interface FlushRequest {
  readonly action: Action;
  /** The receiver answers with an ack. */
  readonly acknowledge: boolean;
  /** The ack reports the neighbors at `addresses`; only together with `acknowledge`. */
  readonly report: boolean;
  /** Unix time in ms by the router's own clock. */
  readonly created: number;
  /** 16 random bytes, the same in all copies. */
  readonly id: Uint8Array;
  /** Receivers delay their ack by a uniform random time up to this, 0 to 65,535 ms. */
  readonly ackSpreadMs: number;
  /** 8 bytes: zero, or a host's from its stale ack. Then the request is for that host alone. */
  readonly challenge: Uint8Array;
  /** The sender's host name, cut to 64 bytes of UTF-8. */
  readonly sender: string;
  /** Not empty exactly when the action is "flush listed" or a report is asked for; 55 at most. */
  readonly addresses: readonly AddressPrefix[];
}

const offset = {
  ...offsets,
  action: 6,
  flags: 7,
  spread: 36,
  count: 38,
  reserved: 39,
  challenge: 40,
} as const;
const flag = { acknowledge: 1, report: 2 } as const;
const addressLength = 18;
/** Zero bytes behind the list, so that no ack is longer than its request. */
const paddingLength = 40;
/** Bytes behind what is signed. */
const sealLength = signatureLength + macLength;

/** Bytes of a request with n addresses. */
export function requestLength(addressCount: number): number {
  return headerLength + addressLength * addressCount + paddingLength + sealLength;
}

/**
 * The bytes of a request, signature and filter still zero. Throws a RangeError for what the format
 * can't carry.
 */
export function encodeRequest(request: FlushRequest, key: RouterKey): Uint8Array<ArrayBuffer> {
  const fault = meaningFault(request);
  if (fault !== null) throw new RangeError(`Cannot encode a request: ${fault}`);
  const { addresses } = request;
  const bytes = new Uint8Array(requestLength(addresses.length));
  const view = viewOf(bytes);
  view.setUint32(offset.magic, datagram.magic);
  bytes[offset.version] = datagram.version;
  bytes[offset.type] = datagram.requestType;
  bytes[offset.action] = actions.indexOf(request.action);
  bytes[offset.flags] = (request.acknowledge ? flag.acknowledge : 0) |
    (request.report ? flag.report : 0);
  bytes.set(key.id, offset.keyId);
  view.setBigUint64(offset.time, BigInt(request.created));
  bytes.set(request.id, offset.id);
  view.setUint16(offset.spread, request.ackSpreadMs);
  bytes[offset.count] = addresses.length;
  bytes.set(request.challenge, offset.challenge);
  writeTextField(bytes, offset.host, request.sender);
  addresses.forEach((address, i) => {
    const at = headerLength + addressLength * i;
    bytes[at] = address.family;
    bytes[at + 1] = address.length;
    bytes.set(address.bytes, at + 2);
  });
  return bytes;
}

/** Why the meaning contradicts itself or doesn't fit, or null. */
function meaningFault(request: FlushRequest): string | null {
  const { addresses } = request;
  if (request.report && !request.acknowledge) return "a report needs an ack";
  const listed = request.action === "flush listed" || request.report;
  if (listed !== addresses.length > 0) return "addresses go with listing or reporting, and only so";
  if (addresses.length > maxAddresses) return `more than ${maxAddresses} addresses`;
  if (request.id.length !== idLength) return `a request id has ${idLength} bytes`;
  if (request.challenge.length !== challengeLength) {
    return `a challenge has ${challengeLength} bytes`;
  }
  if (!Number.isSafeInteger(request.created) || request.created < 0) return "created is no time";
  const spread = request.ackSpreadMs;
  if (!Number.isInteger(spread) || spread < 0 || spread > 0xffff) {
    return "ack spread over 65,535 ms";
  }
  return addresses.every(isWireAddress) ? null : "an address with host bits set";
}

function isWireAddress(address: AddressPrefix): boolean {
  return address.length <= addressBits(address.family) && !hasHostBits(address);
}

const signatureContext = "arpflush v2 request";

/** What the router's signature of a request is for: a copy of all bytes before it, in context. */
export function requestMessage(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return signedMessage(signatureContext, bytes.subarray(0, bytes.length - sealLength));
}

/** Writes signature and filter into an encoded request, which then is complete. */
export function sealRequest(bytes: Uint8Array, signature: Uint8Array, key: RouterKey): void {
  bytes.set(signature, bytes.length - sealLength);
  bytes.set(key.filterMac(bytes.subarray(0, -macLength)), bytes.length - macLength);
}

/** What can be wrong with a datagram before anybody knows who sent it. */
export type HeaderFault =
  | "length"
  | "magic"
  | "version"
  | "type"
  | "action"
  | "flags"
  | "count"
  | "reserved";

/** The first fault of a datagram as a request, in the order of acceptance, or null. */
export function requestHeaderFault(bytes: Uint8Array): HeaderFault | null {
  // Undefined in a datagram that is too short, which has no request's length then.
  const count = bytes[offset.count];
  if (count > maxAddresses || bytes.length !== requestLength(count)) return "length";
  if (readU32(bytes, offset.magic) !== datagram.magic) return "magic";
  if (bytes[offset.version] !== datagram.version) return "version";
  if (bytes[offset.type] !== datagram.requestType) return "type";
  const action = actions[bytes[offset.action]];
  if (action === undefined) return "action";
  const flags = bytes[offset.flags];
  if (flags > (flag.acknowledge | flag.report) || flags === flag.report) return "flags";
  const listed = action === "flush listed" || (flags & flag.report) !== 0;
  if (listed !== count > 0) return "count";
  const padding = bytes.length - sealLength - paddingLength;
  if (bytes[offset.reserved] !== 0 || !isZero(bytes, padding, padding + paddingLength)) {
    return "reserved";
  }
  return null;
}

// What acceptance reads of a datagram without a header fault. All are views of its bytes.

/** Where the key id is. */
export const requestKeyIdOffset = offset.keyId;

/** The request id. */
export function requestIdOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(offset.id, offset.id + idLength);
}

/** Unix time in ms. */
export function requestCreatedOf(bytes: Uint8Array): number {
  return readU64(bytes, offset.time);
}

/** The challenge; all zero if it answers none. */
export function requestChallengeOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(offset.challenge, offset.challenge + challengeLength);
}

/** The router's signature, of `requestMessage`. */
export function requestSignatureOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes.length - sealLength, bytes.length - macLength);
}

/** The filter. Acks are signed over it, which binds them to their request. */
export function requestFilterOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes.length - macLength);
}

/**
 * Whether the filter is the key's, compared in constant time. It proves nothing: whoever knows the
 * router's public key can make it.
 */
export function hasRightFilter(bytes: Uint8Array, key: RouterKey): boolean {
  return equalConstantTime(key.filterMac(bytes.subarray(0, -macLength)), requestFilterOf(bytes));
}

/**
 * The meaning of a request without a header fault; null for a name that isn't UTF-8 or has bytes
 * behind its end, a family other than 4 or 6, a prefix too long or host bits set. Nothing in it is a
 * view of the bytes.
 */
export function parseRequest(bytes: Uint8Array): FlushRequest | null {
  const action = actions[bytes[offset.action]];
  const sender = readTextField(bytes, offset.host);
  if (sender === null) return null;
  const addresses: AddressPrefix[] = [];
  for (let i = 0; i < bytes[offset.count]; i++) {
    const at = headerLength + addressLength * i;
    const family = bytes[at];
    if (family !== 4 && family !== 6) return null;
    addresses.push({ family, length: bytes[at + 1], bytes: bytes.slice(at + 2, at + 18) });
  }
  const request: FlushRequest = {
    action,
    acknowledge: (bytes[offset.flags] & flag.acknowledge) !== 0,
    report: (bytes[offset.flags] & flag.report) !== 0,
    created: requestCreatedOf(bytes),
    id: requestIdOf(bytes).slice(),
    ackSpreadMs: bytes[offset.spread] << 8 | bytes[offset.spread + 1],
    challenge: requestChallengeOf(bytes).slice(),
    sender,
    addresses,
  };
  return meaningFault(request) === null ? request : null;
}
