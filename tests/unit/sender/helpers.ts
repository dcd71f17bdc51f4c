/** Builders for the sender's tests: a key, interfaces, plans, requests, acks, answering hosts. */
import type { ExchangeRecord, TargetRecord } from "../../../lib/sender/exchange.ts";
import type { AnsweringHost, ClockOffset, ReceivedAck } from "../../../lib/sender/hosts.ts";
import { addAck } from "../../../lib/sender/hosts.ts";
import type { Plan, PlannedRequest } from "../../../lib/sender/preparation.ts";
import { Ownership, parseHost } from "../../../lib/sender/targets.ts";
import type { AckStatus, FlushAck, NeighborReport, NeighborState } from "../../../lib/wire/ack.ts";
import {
  type AddressPrefix,
  type OwnInterface,
  ownInterfaces,
  parseLinkLayerAddress,
  parsePrefix,
} from "../../../lib/wire/addresses.ts";
import { defaultPort } from "../../../lib/wire/datagram.ts";
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

/** An ack that came from an address; the request asked for 192.0.2.1. */
export function received(
  address: string,
  ack: FlushAck,
  changes: Partial<ReceivedAck> = {},
): ReceivedAck {
  return { address, ms: 1, ack, addresses: [prefix("192.0.2.1")], clock: inStep, ...changes };
}

/** A clock that is the same, as far as can be told. */
export const inStep: ClockOffset = { ms: 0, errorMs: 1 };

/** The one host that these acks come from. */
export function hostOf(...acks: readonly ReceivedAck[]): AnsweringHost {
  const hosts = new Map<string, AnsweringHost>();
  for (const one of acks) addAck(hosts, one);
  const [host, ...others] = hosts.values();
  if (others.length > 0) throw new Error("These acks are several hosts'");
  return host;
}

/** A request that asks for nothing but a flush. */
export const plannedRequest: PlannedRequest = {
  action: "flush all",
  acknowledge: true,
  report: false,
  ackSpreadMs: 0,
  sender: "r1",
  addresses: [],
};

/** A plan of five copies, a second apart, to one broadcast address, by the router. */
export function planOf(changes: Partial<Plan> = {}): Plan {
  return {
    content: { kind: "signed", key, requests: [plannedRequest] },
    targets: [parseHost("192.0.2.255")],
    udpPort: defaultPort,
    schedule: { count: 5, intervalMs: 1000 },
    waitMs: 2000,
    expectation: null,
    ownership: new Ownership(router, false),
    faults: [],
    warnings: [],
    opening: "",
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

/** A record of five copies to one broadcast address, and these acks. */
export function recordOf(
  acks: readonly ReceivedAck[],
  changes: Partial<ExchangeRecord> = {},
): ExchangeRecord {
  const hosts = new Map<string, AnsweringHost>();
  for (const one of acks) addAck(hosts, one);
  return {
    created: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    requestIds: [new Uint8Array(16).fill(0xab)],
    copies: 5,
    targets: [targetRecord("192.0.2.255")],
    hosts,
    ignored: new Map(),
    elapsedMs: 6000.1234,
    ...changes,
  };
}

/** Five copies to a target, as the command line names it. */
export function targetRecord(
  hostname: string,
  changes: Partial<TargetRecord> = {},
): TargetRecord {
  return { target: parseHost(hostname), sent: 5, error: null, ...changes };
}

const acked = { id: new Uint8Array(16) };

/** Acks of hosts that ended in different ways; the router's link-layer address ends in 02. */
export const healed: ReceivedAck = received(
  "192.0.2.7",
  ack(acked, "flushed", {
    host: "web1",
    entries: 7,
    micros: 800,
    reports: [report("neighbor", "02:00:00:00:00:02")],
  }),
  { ms: 12.4 },
);
export const stuck: ReceivedAck = received(
  "192.0.2.8",
  ack(acked, "flushed", {
    host: "db1",
    entries: 12,
    reports: [report("neighbor", "02:00:00:00:00:01")],
  }),
  { ms: 640 },
);
export const failed: ReceivedAck = received(
  "192.0.2.9",
  ack(acked, "failed", { host: "win1", error: 5 }),
  { ms: 3 },
);
