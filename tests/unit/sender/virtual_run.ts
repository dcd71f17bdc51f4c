/** A run of the exchange on a virtual network, and hosts that answer it. Signatures are stand-ins. */
import type { OpenDatagramPort, Recipient } from "../../../lib/sender/datagram_port.ts";
import {
  exchange,
  type ExchangeEvent,
  type ExchangePlan,
  type ExchangeRecord,
  type PlannedRequest,
} from "../../../lib/sender/exchange.ts";
import { ExpectedHosts } from "../../../lib/sender/expectation.ts";
import { compareAnswers, hostResult } from "../../../lib/sender/verdict.ts";
import { encodeAck, type FlushAck } from "../../../lib/wire/ack.ts";
import { parseAddress, parsePrefix, prefixContains } from "../../../lib/wire/addresses.ts";
import { createSyncSigner } from "../../../lib/wire/ed25519_node.ts";
import { createRouterKey } from "../../../lib/wire/keys.ts";
import { type FlushRequest, parseRequest, requestFilterOf } from "../../../lib/wire/request.ts";
import { createTestTime, type TestTime } from "../../support/test_time.ts";
import { isOwnMac, reports } from "./answers.ts";

export const routerKey = createRouterKey(createSyncSigner(new Uint8Array(32).fill(9)).publicKey);
const rightSignature = new Uint8Array(64).fill(7);
const noSignature = new Uint8Array(64);

/** A host's public key by a small number. */
export function hostKey(n: number): Uint8Array {
  return createSyncSigner(new Uint8Array(32).fill(n)).publicKey;
}

/** An ack by what a test wants of it; the rest follows from the request. */
export interface Reply extends Partial<FlushAck> {
  readonly key?: number;
  readonly from?: string;
  /** @default the service's */
  readonly port?: number;
  readonly delayMs?: number;
  readonly signature?: Uint8Array;
}

/** What a host does with a request that reached it for the n-th time, from 1. */
export type Behavior = (request: FlushRequest, n: number, at: number) => readonly Reply[];

/** The bytes of an ack to a request's bytes. */
function replyTo(bytes: Uint8Array, request: FlushRequest, reply: Reply): Uint8Array {
  const { key = 1, signature = rightSignature, status = "flushed" } = reply;
  const isStale = status === "stale";
  const hasReports = request.report && !isStale && status !== "failed";
  const ack: FlushAck = {
    status,
    clock: request.created,
    id: request.id,
    error: status === "failed" ? 5 : 0,
    entries: 1,
    micros: 100,
    challenge: isStale ? Uint8Array.of(1, 2, 3, 4, 5, 6, 7, key) : null,
    host: isStale ? "" : `sql0${key}`,
    instance: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1),
    reports: hasReports ? request.addresses.map(() => reports.own) : [],
    ...reply,
  };
  return encodeAck(ack, routerKey, requestFilterOf(bytes), {
    publicKey: hostKey(key),
    sign: () => signature,
  });
}

/** The request that the tests' runs send unless they say otherwise. */
export function planned(options: Partial<PlannedRequest["fields"]> = {}): PlannedRequest {
  const target = {
    hostname: "192.0.2.255",
    address: parseAddress("192.0.2.255"),
    interfaceNames: ["e0"],
    named: false,
    networks: [],
  };
  return {
    fields: {
      action: "flush all",
      acknowledge: true,
      report: true,
      ackSpreadMs: 0,
      sender: "r1",
      addresses: [parsePrefix("192.0.2.1/32")],
      ...options,
    },
    targets: [target],
    links: [0],
  };
}

/** A run that has ended. */
interface EndedRun {
  readonly record: ExchangeRecord;
  readonly events: readonly ExchangeEvent[];
  readonly network: VirtualNetwork;
  readonly time: TestTime;
  /** Each host: its name, its state. */
  readonly states: readonly string[];
}

const network24 = parsePrefix("192.0.2.0/24");

/** The content of a run with requests. */
export function signed(...requests: readonly PlannedRequest[]): ExchangePlan["content"] {
  return { kind: "signed", key: routerKey, sign: () => Promise.resolve(noSignature), requests };
}

/**
 * Carries out a run among hosts, each at its address; a broadcast reaches them all. It is ended from
 * outside after `endMs`. The signatures of a host take `verifyMs` to check; Infinity: for ever.
 */
export async function run(
  hosts: Readonly<Record<string, Behavior>>,
  options: Partial<ExchangePlan> = {},
  endMs?: number,
  verifyMs: (key: Uint8Array) => number = () => 0,
): Promise<EndedRun> {
  const time = createTestTime(1_700_000_000_000);
  const seen = new Map<string, number>();
  const network = virtualNetwork(time, ({ bytes, to, at }, reply) => {
    const request = parseRequest(bytes);
    if (request === null) return;
    for (const [address, behavior] of Object.entries(hosts)) {
      if (to.hostname !== address && to.hostname !== "192.0.2.255") continue;
      const n = (seen.get(address) ?? 0) + 1;
      seen.set(address, n);
      for (const one of behavior(request, n, at)) {
        const { from = address, port, delayMs = 1 } = one;
        reply(replyTo(bytes, request, one), { from, port, delayMs });
      }
    }
  });
  const events: ExchangeEvent[] = [];
  const plan: ExchangePlan = {
    content: signed(planned()),
    udpPort: servicePort,
    schedule: { count: 5, intervalMs: 1_000 },
    waitMs: 2_000,
    expected: new ExpectedHosts([], null),
    wasSentTo: (address) => {
      const parsed = parseAddress(address);
      return parsed !== null && prefixContains(network24, parsed);
    },
    isOwnAddress: (address) => address === "192.0.2.2",
    compare: (a, b, request) => compareAnswers(a, b, request, isOwnMac),
    ...options,
  };
  const verify = async (key: Uint8Array, _message: Uint8Array, signature: Uint8Array) => {
    const ms = verifyMs(key);
    if (ms > 0) await new Promise<void>((resolve) => ms < Infinity && time.after(ms, resolve));
    return signature.toHex() === rightSignature.toHex();
  };
  const ending = new AbortController();
  if (endMs !== undefined) time.after(endMs, () => ending.abort("no longer master"));
  const watch = (event: ExchangeEvent) => void events.push(event);
  const record = await time.until(
    exchange(plan, network.open, time, verify, watch, ending.signal),
  );
  const states = record.hosts.all().map((host) =>
    `${host.name || "?"} ${hostResult(host, record.hosts, isOwnMac).state}`
  );
  return { record, events, network, time, states };
}

/** A datagram that was sent. */
interface Sent {
  /** ms from the making of the network. */
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly to: Recipient;
  readonly udpPort: number;
}

/** Answers a datagram through `reply`, at once or later; throws as the system would. */
type Deliver = (
  sent: Sent,
  reply: (bytes: Uint8Array, how: { from: string; port?: number; delayMs?: number }) => void,
) => void | Promise<void>;

interface VirtualNetwork {
  readonly open: OpenDatagramPort;
  readonly sent: Sent[];
  isClosed(): boolean;
}

export const servicePort = 27735;

export function virtualNetwork(time: TestTime, deliver: Deliver): VirtualNetwork {
  const start = time.monotonic();
  const sent: Sent[] = [];
  let closed = false;
  /** Replies on their way. They come behind the run's end at the latest, before its port is closed. */
  const late = new Set<() => void>();
  return {
    sent,
    isClosed: () => closed,
    open: (receive) => ({
      async send(bytes, to, udpPort) {
        const one = { at: time.monotonic() - start, bytes, to, udpPort };
        sent.push(one);
        await deliver(one, (reply, { from, port = servicePort, delayMs = 0 }) => {
          const arrive = () => {
            if (!closed && late.delete(arrive)) receive(reply, from, port);
          };
          late.add(arrive);
          time.after(delayMs, arrive);
        });
      },
      close() {
        for (const arrive of late) arrive();
        closed = true;
      },
    }),
  };
}
