/** What the sender's tests share: a key, addresses, interfaces, acks of a host that is none. */
import type { AckStatus, FlushAck, NeighborReport, NeighborState } from "../../../lib/wire/ack.ts";
import {
  type AddressPrefix,
  type OwnInterface,
  ownInterfaces,
  parseLinkLayerAddress,
  parsePrefix,
} from "../../../lib/wire/addresses.ts";
import { createKey, type Key } from "../../../lib/wire/keys.ts";
import {
  type FlushRequest,
  parseRequest,
  requestHeaderFault,
  verifyRequest,
} from "../../../lib/wire/request.ts";

export const key: Key = createKey(new Uint8Array(32).fill(1));
export const otherKey: Key = createKey(new Uint8Array(32).fill(2));

export const prefix: (text: string) => AddressPrefix = parsePrefix;

/** 6 bytes; throws for a text that is no Ethernet address. */
export function mac(text: string): Uint8Array {
  const bytes = parseLinkLayerAddress(text);
  if (bytes === null) throw new Error(`"${text}" is no link-layer address`);
  return bytes;
}

/** Interfaces from `name address/length mac` lines, as `Deno.networkInterfaces()` lists them. */
export function interfaces(...lines: readonly string[]): OwnInterface[] {
  return ownInterfaces(lines.map((line) => {
    const [name, cidr, mac] = line.split(" ");
    return { name, cidr, address: cidr.split("/")[0], mac: mac ?? "00:00:00:00:00:00" };
  }));
}

/** A router with two links and a virtual address on each. */
export const router = interfaces(
  "lo 127.0.0.1/8",
  "lo ::1/128",
  "e0 192.0.2.2/24 02:00:00:00:00:02",
  "e0 192.0.2.1/32 02:00:00:00:00:02",
  "e0 fe80::2/64 02:00:00:00:00:02",
  "e0 2001:db8::2/64 02:00:00:00:00:02",
  "e1 198.51.100.2/25 02:00:00:00:01:02",
  "e1 fe80::12/64 02:00:00:00:01:02",
  "tun0 10.8.0.1/24",
);

export function report(state: NeighborState, linkLayer = "00:00:00:00:00:00"): NeighborReport {
  return { state, linkLayerAddress: mac(linkLayer) };
}

/** An ack to a request. */
export function ack(
  to: Pick<FlushRequest, "id">,
  status: AckStatus,
  changes: Partial<FlushAck> = {},
): FlushAck {
  return {
    status,
    clock: Date.now(),
    id: to.id,
    error: 0,
    entries: 0,
    micros: 0,
    host: "web1",
    reports: [],
    ...changes,
  };
}

/** The request in a datagram of the tests' key; throws if it is none. */
export function requestIn(bytes: Uint8Array, signer: Key = key): FlushRequest {
  const fault = requestHeaderFault(bytes);
  if (fault !== null) throw new Error(`Not a request: ${fault}`);
  if (!verifyRequest(bytes, signer)) throw new Error("Not a request: MAC");
  const request = parseRequest(bytes);
  if (request === null) throw new Error("Not a request: it contradicts itself");
  return request;
}
