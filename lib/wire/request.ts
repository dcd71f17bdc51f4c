/**
 * FlushRequest between meaning and bytes: 128 + 18 n bytes, big-endian, n at most 61. The layout is
 * in docs/protocol.md. Reading has three steps, because acceptance has: `requestHeaderFault` before
 * the MAC is computed, `verifyRequest`, and `parseRequest` for what only an authentic sender gets
 * wrong.
 */
import { addressBits, type AddressPrefix, hasHostBits } from "./addresses.ts";
import * as datagram from "./datagram.ts";
import {
  addressesMost,
  headerLength,
  idLength,
  offsets,
  readTextField,
  readU32,
  viewOf,
  writeTextField,
} from "./datagram.ts";
import { equalConstantTime, type Key, macLength } from "./keys.ts";

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
  /** Unix time in ms. */
  readonly created: number;
  /** 16 random bytes, the same in all copies. */
  readonly id: Uint8Array;
  /** Receivers delay their ack by a uniform random time up to this, 0 to 65,535 ms. */
  readonly ackSpreadMs: number;
  /** The sender's host name, cut to 64 bytes of UTF-8. */
  readonly sender: string;
  /** Not empty exactly when the action is "flush listed" or a report is asked for; 61 at most. */
  readonly addresses: readonly AddressPrefix[];
}

const offset = { ...offsets, action: 6, flags: 7, spread: 36, count: 38, reserved: 39 } as const;
const flag = { acknowledge: 1, report: 2 } as const;
const addressLength = 18;

/** Bytes of a request with n addresses. */
export function requestLength(addressCount: number): number {
  return headerLength + addressLength * addressCount + macLength;
}

/** The signed bytes of a request. Throws a RangeError for what the format can't carry. */
export function encodeRequest(request: FlushRequest, key: Key): Uint8Array<ArrayBuffer> {
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
  writeTextField(bytes, offset.host, request.sender);
  addresses.forEach((address, i) => {
    const at = headerLength + addressLength * i;
    bytes[at] = address.family;
    bytes[at + 1] = address.length;
    bytes.set(address.bytes, at + 2);
  });
  const signed = bytes.subarray(0, -macLength);
  bytes.set(key.requestMac(signed), signed.length);
  return bytes;
}

/** Why the meaning contradicts itself or doesn't fit, or null. */
function meaningFault(request: FlushRequest): string | null {
  const { addresses } = request;
  if (request.report && !request.acknowledge) return "a report needs an ack";
  const listed = request.action === "flush listed" || request.report;
  if (listed !== addresses.length > 0) return "addresses go with listing or reporting, and only so";
  if (addresses.length > addressesMost) return `more than ${addressesMost} addresses`;
  if (request.id.length !== idLength) return `a request id has ${idLength} bytes`;
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

/** What can be wrong with a datagram before anybody knows who sent it. */
export type HeaderFault = "length" | "magic" | "version" | "type" | "reserved";

/** The first fault of a datagram as a request, in the order of acceptance, or null. */
export function requestHeaderFault(bytes: Uint8Array): HeaderFault | null {
  if (bytes.length < requestLength(0)) return "length";
  const count = bytes[offset.count];
  if (count > addressesMost || bytes.length !== requestLength(count)) return "length";
  if (readU32(bytes, offset.magic) !== datagram.magic) return "magic";
  if (bytes[offset.version] !== datagram.version) return "version";
  if (bytes[offset.type] !== datagram.requestType) return "type";
  if ((bytes[offset.flags] & ~(flag.acknowledge | flag.report)) !== 0) return "reserved";
  for (let i = offset.reserved; i < offset.host; i++) if (bytes[i] !== 0) return "reserved";
  return null;
}

/** Where the key id of a datagram without a header fault is. */
export const requestKeyIdOffset = offset.keyId;

/** The request id of a datagram without a header fault: a view, as is the MAC. */
export function requestIdOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(offset.id, offset.id + idLength);
}

/** The MAC of a datagram without a header fault; part of what its acks are signed over. */
export function requestMacOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes.length - macLength);
}

/** Whether the MAC is the key's, compared in constant time. */
export function verifyRequest(bytes: Uint8Array, key: Key): boolean {
  return equalConstantTime(key.requestMac(bytes.subarray(0, -macLength)), requestMacOf(bytes));
}

/**
 * The meaning of a request that has no header fault and a right MAC; null when it contradicts
 * itself: an unknown action, a report without an ack, addresses that don't go with the action, a
 * family other than 4 or 6, a prefix too long, host bits set, a name that isn't UTF-8.
 * Nothing in it is a view of the bytes.
 */
export function parseRequest(bytes: Uint8Array): FlushRequest | null {
  const action = actions[bytes[offset.action]];
  const sender = readTextField(bytes, offset.host);
  if (action === undefined || sender === null) return null;
  const addresses: AddressPrefix[] = [];
  for (let i = 0; i < bytes[offset.count]; i++) {
    const at = headerLength + addressLength * i;
    const family = bytes[at];
    if (family !== 4 && family !== 6) return null;
    addresses.push({ family, length: bytes[at + 1], bytes: bytes.slice(at + 2, at + 18) });
  }
  const created = readU32(bytes, offset.time) * 2 ** 32 + readU32(bytes, offset.time + 4);
  const request: FlushRequest = {
    action,
    acknowledge: (bytes[offset.flags] & flag.acknowledge) !== 0,
    report: (bytes[offset.flags] & flag.report) !== 0,
    created: Math.min(created, Number.MAX_SAFE_INTEGER),
    id: requestIdOf(bytes).slice(),
    ackSpreadMs: bytes[offset.spread] << 8 | bytes[offset.spread + 1],
    sender,
    addresses,
  };
  return meaningFault(request) === null ? request : null;
}
