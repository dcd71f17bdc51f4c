/** Signed requests and acks to them, for tests that speak to a real service or sender. */
import { encodeAck, type FlushAck } from "../../lib/wire/ack.ts";
import { idLength } from "../../lib/wire/datagram.ts";
import type { Key } from "../../lib/wire/keys.ts";
import {
  encodeRequest,
  type FlushRequest,
  parseRequest,
  requestMacOf,
} from "../../lib/wire/request.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A request to flush all, created now, with a random id, that asks for an ack. */
export function createRequest(changes: Partial<FlushRequest> = {}): FlushRequest {
  return {
    action: "flush all",
    acknowledge: true,
    report: false,
    created: Date.now(),
    id: crypto.getRandomValues(new Uint8Array(idLength)),
    ackSpreadMs: 0,
    sender: "router",
    addresses: [],
    ...changes,
  };
}

/** The bytes of `createRequest(changes)`. */
export function signRequest(key: Key, changes: Partial<FlushRequest> = {}): Bytes {
  return encodeRequest(createRequest(changes), key);
}

/**
 * The ack of a host that flushed one entry at this moment, with a neighbor for each address in question;
 * `mac` is the request's.
 */
export function signAck(
  request: Uint8Array,
  key: Key,
  changes: Partial<FlushAck> = {},
  mac = requestMacOf(request),
): Bytes {
  const parsed = parseRequest(request);
  if (parsed === null) throw new Error("Cannot acknowledge what is no request");
  const { id, report, addresses } = parsed;
  const linkLayerAddress = Uint8Array.of(2, 0, 0, 0, 0, 1);
  return encodeAck(
    {
      status: "flushed",
      clock: Date.now(),
      id,
      error: 0,
      entries: 1,
      micros: 1,
      host: "SQL01",
      reports: report ? addresses.map(() => ({ state: "neighbor", linkLayerAddress })) : [],
      ...changes,
    },
    key,
    mac,
  );
}

/** What an ack to these bytes of a request has to fit, as `decodeAck` takes it. */
export function sentRequest(request: Uint8Array, key: Key) {
  const parsed = parseRequest(request);
  if (parsed === null) throw new Error("Cannot wait for an ack to what is no request");
  const { id, report, addresses } = parsed;
  return { key, id, mac: requestMacOf(request), reportCount: report ? addresses.length : 0 };
}
