/**
 * FlushAck between meaning and bytes: 128 + 8 m bytes, big-endian, so never larger than its request.
 * The layout is in docs/protocol.md. Its MAC covers the request's MAC too: an ack can't be moved to
 * another request.
 */
import * as datagram from "./datagram.ts";
import {
  addressesMost,
  headerLength,
  idLength,
  offsets,
  readTextField,
  viewOf,
  writeTextField,
} from "./datagram.ts";
import { equalConstantTime, type Key, macLength } from "./keys.ts";

/** How a request ended on a host; the index plus one is the number on the wire. */
export const ackStatuses = ["alive", "flushed", "stale", "failed"] as const;
export type AckStatus = typeof ackStatuses[number];

/** What a host knows of the neighbor at an address; the index is the number on the wire. */
export const neighborStates = ["not looked at", "no neighbor", "neighbor", "permanent"] as const;
export type NeighborState = typeof neighborStates[number];

/** The report on one address of the request. */
export interface NeighborReport {
  readonly state: NeighborState;
  /** 6 bytes, all zero in the states without a neighbor. */
  readonly linkLayerAddress: Uint8Array;
}

/** The meaning of an ack. */
export interface FlushAck {
  readonly status: AckStatus;
  /** The host's clock, Unix time in ms. */
  readonly clock: number;
  /** The request's 16 bytes. */
  readonly id: Uint8Array;
  /** The operating system's error code, 0 if none. */
  readonly error: number;
  /** Entries removed; for a probe the entries now in the cache. */
  readonly entries: number;
  /** Time that the flush took. */
  readonly micros: number;
  /** The host's name, cut to 64 bytes of UTF-8. */
  readonly host: string;
  /** One for each address of the request, in its order, or none. */
  readonly reports: readonly NeighborReport[];
}

const offset = { ...offsets, status: 6, count: 7, error: 36, entries: 40, micros: 44 } as const;
const reportLength = 8;
const u32Most = 0xffff_ffff;

/** Bytes of an ack with m reports. */
export function ackLength(reportCount: number): number {
  return headerLength + reportLength * reportCount + macLength;
}

/** A count or a duration as the wire carries it: whole, saturated at 32 bits. */
function toU32(value: number): number {
  return Math.min(Math.max(Math.round(value), 0), u32Most);
}

/**
 * The signed bytes of an ack to the request whose MAC is given, under the key the request came
 * with. Throws a RangeError for what the format can't carry; counts over 32 bits are saturated.
 */
export function encodeAck(
  ack: FlushAck,
  key: Key,
  requestMac: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const { reports } = ack;
  if (reports.length > addressesMost || ack.id.length !== idLength) {
    throw new RangeError("Cannot encode an ack: too many reports or a wrong request id");
  }
  const bytes = new Uint8Array(ackLength(reports.length));
  const view = viewOf(bytes);
  view.setUint32(offset.magic, datagram.magic);
  bytes[offset.version] = datagram.version;
  bytes[offset.type] = datagram.ackType;
  bytes[offset.status] = ackStatuses.indexOf(ack.status) + 1;
  bytes[offset.count] = reports.length;
  bytes.set(key.id, offset.keyId);
  view.setBigUint64(offset.time, BigInt(Math.max(0, Math.trunc(ack.clock))));
  bytes.set(ack.id, offset.id);
  view.setUint32(offset.error, toU32(ack.error));
  view.setUint32(offset.entries, toU32(ack.entries));
  view.setUint32(offset.micros, toU32(ack.micros));
  writeTextField(bytes, offset.host, ack.host);
  reports.forEach((report, i) => {
    const at = headerLength + reportLength * i;
    bytes[at] = neighborStates.indexOf(report.state);
    bytes.set(report.linkLayerAddress, at + 2);
  });
  const signed = bytes.subarray(0, -macLength);
  bytes.set(key.ackMac(signed, requestMac), signed.length);
  return bytes;
}

/** Why a datagram isn't an ack to a request. */
export type AckFault = "length" | "header" | "key" | "request id" | "mac" | "content";

/** A request as its sender remembers it. */
export interface SentRequest {
  readonly key: Key;
  readonly id: Uint8Array;
  /** Its MAC: the last 16 bytes sent. */
  readonly mac: Uint8Array;
  /** How many addresses it asked a report on, 0 if none. */
  readonly reportCount: number;
}

/** The ack to a request, or what is wrong with the datagram as one. The MAC is compared in constant time. */
export function decodeAck(bytes: Uint8Array, request: SentRequest): FlushAck | AckFault {
  if (bytes.length < ackLength(0)) return "length";
  const count = bytes[offset.count];
  if (count > addressesMost || bytes.length !== ackLength(count)) return "length";
  const view = viewOf(bytes);
  if (
    view.getUint32(offset.magic) !== datagram.magic ||
    bytes[offset.version] !== datagram.version || bytes[offset.type] !== datagram.ackType
  ) return "header";
  const { key, id } = request;
  if (key.id.some((byte, i) => byte !== bytes[offset.keyId + i])) return "key";
  if (id.some((byte, i) => byte !== bytes[offset.id + i])) return "request id";
  const signed = bytes.subarray(0, -macLength);
  const mac = bytes.subarray(bytes.length - macLength);
  if (!equalConstantTime(key.ackMac(signed, request.mac), mac)) return "mac";
  return parseAck(bytes, view, request.reportCount) ?? "content";
}

function parseAck(bytes: Uint8Array, view: DataView, reportCount: number): FlushAck | null {
  const status = ackStatuses[bytes[offset.status] - 1];
  const host = readTextField(bytes, offset.host);
  if (status === undefined || host === null) return null;
  const reported = status === "alive" || status === "flushed";
  if (bytes[offset.count] !== (reported ? reportCount : 0)) return null;
  const reports: NeighborReport[] = [];
  for (let i = 0; i < bytes[offset.count]; i++) {
    const at = headerLength + reportLength * i;
    const state = neighborStates[bytes[at]];
    const linkLayerAddress = bytes.slice(at + 2, at + reportLength);
    if (state === undefined || bytes[at + 1] !== 0) return null;
    const hasNeighbor = state === "neighbor" || state === "permanent";
    if (!hasNeighbor && linkLayerAddress.some(Boolean)) return null;
    reports.push({ state, linkLayerAddress });
  }
  return {
    status,
    clock: Math.min(Number(view.getBigUint64(offset.time)), Number.MAX_SAFE_INTEGER),
    id: bytes.slice(offset.id, offset.id + idLength),
    error: view.getUint32(offset.error),
    entries: view.getUint32(offset.entries),
    micros: view.getUint32(offset.micros),
    host,
    reports,
  };
}
