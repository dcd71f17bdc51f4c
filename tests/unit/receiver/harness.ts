/**
 * A receiver whose time a test advances and whose socket is a queue. What it receives and sends is
 * bytes, as on a real one.
 */
import type {
  FlushOutcome,
  FlushScope,
  NeighborCache,
} from "../../../lib/neighbors/neighbor_cache.ts";
import type { EventName, EventValues, Report } from "../../../lib/log/events.ts";
import { type DatagramSocket, openUdpSocket } from "../../../lib/receiver/listeners.ts";
import {
  Receiver,
  type ReceiverParts,
  type ReceiverRules,
} from "../../../lib/receiver/receiver.ts";
import type { FlushAck } from "../../../lib/wire/ack.ts";
import { type AddressPrefix, prefixContains, prefixOf } from "../../../lib/wire/addresses.ts";
import { isSignedBy } from "../../../lib/wire/ed25519_node.ts";
import { parseRouterKeys } from "../../../lib/wire/keys.ts";
import { type FlushRequest, requestIdOf } from "../../../lib/wire/request.ts";
import { emptyCache } from "../../support/empty_cache.ts";
import { createRouter, hostSigner, readAck, signRequest } from "../../support/datagrams.ts";
import { createTestTime, settle } from "../../support/test_time.ts";

export const router = createRouter(1);
export const otherRouter = createRouter(2);
export const routerKeys = parseRouterKeys([router.publicText]);

/** The bytes of a request of r1. */
export function signed(changes: Partial<FlushRequest> = {}, by = router) {
  return signRequest(by, { sender: "r1", ...changes });
}

export const r1 = { transport: "udp", hostname: "192.0.2.1", port: 40_001 } as const;
export const r2 = { transport: "udp", hostname: "192.0.2.2", port: 40_002 } as const;

/** The instance of the harness's receiver. */
const instance = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** A datagram that the receiver sent. */
interface Sent {
  readonly bytes: Uint8Array;
  readonly to: Deno.Addr;
  /** Monotonic ms since the start. */
  readonly at: number;
}

/** A cache that notes its flushes and fails on command. */
export function notingCache(parts: Partial<NeighborCache> = {}): {
  cache: NeighborCache;
  flushes: FlushScope[];
  fail: (error: Error | null) => void;
} {
  const flushes: FlushScope[] = [];
  let failure: Error | null = null;
  const cache: NeighborCache = {
    ...emptyCache,
    flush(scope) {
      flushes.push(scope);
      if (failure !== null) return Promise.reject(failure);
      return Promise.resolve(removing(flushes.length));
    },
    ...parts,
  };
  return { cache, flushes, fail: (error) => void (failure = error) };
}

/** One thing a report said. */
interface Said {
  readonly event: EventName;
  readonly values: EventValues;
}

/** A report that keeps what was said. */
export function keepReport(): { said: Said[]; report: Report; saidOf(event: EventName): Said[] } {
  const said: Said[] = [];
  return {
    said,
    report: (event, values = {}) => void said.push({ event, values }),
    saidOf: (event) => said.filter((one) => one.event === event),
  };
}

/** The rules of a receiver that takes everything signed with the tests' router. */
export const testRules: ReceiverRules = {
  addresses: ["0.0.0.0"],
  port: 27_735,
  holdDownMs: 10_000,
  isAllowed: () => true,
  routerKeys,
  isSignedBy,
  isLegacy: null,
  toleranceMs: 60_000,
};

/** What a receiver gets besides its cache, its time and its socket, unless a test says otherwise. */
export const testParts = {
  report: () => {},
  random: () => 0.5,
  hostName: () => "host1",
  signer: hostSigner,
  instance,
  challengeSecret: new Uint8Array(32).fill(3),
  linkZones: () => [],
} satisfies Partial<ReceiverParts>;

/** A socket in which datagrams wait until they are received; `send` gets what is sent by it. */
export function createQueueSocket(send: (bytes: Uint8Array, to: Deno.Addr) => void) {
  const waiting: [Uint8Array, Deno.Addr][] = [];
  let receiving: ((datagram: [Uint8Array, Deno.Addr]) => void) | null = null;
  let closed = false;
  const socket: DatagramSocket = {
    addr: { transport: "udp", hostname: "192.0.2.9", port: 27_735 },
    receive() {
      const next = waiting.shift();
      return next !== undefined
        ? Promise.resolve(next)
        : new Promise((resolve) => receiving = resolve);
    },
    send(bytes, to) {
      send(bytes.slice(), to);
      return Promise.resolve(bytes.length);
    },
    close: () => void (closed = true),
  };
  return {
    socket,
    isClosed: () => closed,
    /** Hands a datagram to whoever receives, or keeps it until then. */
    deliver(bytes: Uint8Array, from: Deno.Addr): void {
      const take = receiving;
      receiving = null;
      if (take === null) waiting.push([bytes, from]);
      else take([bytes, from]);
    },
  };
}

/** So many addresses, each another one: 10.0.0.0 and so on. */
export function manyAddresses(count: number): AddressPrefix[] {
  return Array.from(
    { length: count },
    (_, i) => prefixOf(4, 32, 10, i >> 16, i >> 8 & 255, i & 255),
  );
}

/** Whether a flush of one scope does what another asks for. */
export function covers(flushed: FlushScope, asked: FlushScope): boolean {
  if (flushed === "all" || asked === "all") return flushed === "all";
  return asked.every((one) => flushed.some((other) => prefixContains(other, one)));
}

/** What a flush of these tests' caches gives that removed so many entries. */
export function removing(removed: number, parts: Partial<FlushOutcome> = {}): FlushOutcome {
  return { removed, forgotten: [], micros: 1_000, notes: [], ...parts };
}

/** Starts the receiver; `cache` replaces what the cache of the tests does. */
export function startHarness(
  { cache = {}, ...parts }: Partial<Omit<ReceiverParts, "cache">> & {
    readonly cache?: Partial<NeighborCache>;
  } = {},
  rules: Partial<ReceiverRules> = {},
) {
  const time = createTestTime();
  const begin = time.monotonic();
  const kept = keepReport();
  const sent: Sent[] = [];
  const { socket, isClosed, deliver } = createQueueSocket((bytes, to) =>
    void sent.push({ bytes, to, at: time.monotonic() - begin })
  );
  const noted = notingCache(cache);
  const receiver = new Receiver({ ...testRules, ...rules }, {
    ...testParts,
    cache: noted.cache,
    report: kept.report,
    time,
    open: () => socket,
    ...parts,
  });
  /** Hands a datagram to the receiver and waits until it has done what needs no time. */
  async function receive(bytes: Uint8Array, from: Deno.Addr = r1): Promise<void> {
    deliver(bytes, from);
    await settle();
  }
  /** Has a request of r1 arrive that is fresh unless the changes say otherwise; gives its bytes. */
  async function ask(changes: Partial<FlushRequest> = {}, from: Deno.Addr = r1) {
    const bytes = signed({ created: time.wall() + 1, ...changes });
    await receive(bytes, from);
    return bytes;
  }
  return {
    ...kept,
    ...noted,
    receiver,
    time,
    sent,
    isClosed,
    deliver: receive,
    ask,
    /** Three flushes that nobody is told of: whatever the gate limits is held down now. */
    async holdDown(): Promise<void> {
      for (let i = 0; i < 3; i++) await ask({ acknowledge: false });
    },
    /** The acks to a request so far. */
    acks(request: Uint8Array): FlushAck[] {
      const id = requestIdOf(request).toHex();
      return sent.filter(({ bytes }) => bytes.slice(20, 36).toHex() === id)
        .map(({ bytes }) => readAck(bytes, request, router));
    },
    /** Lets time pass and what it starts happen. */
    async pass(ms: number): Promise<void> {
      time.pass(ms);
      await settle();
    },
  };
}

/** Sends datagrams from a socket to a port of loopback, again after 2 s; the first answer, within 10 s. */
export async function firstAnswer(
  port: number,
  datagrams: readonly Uint8Array[],
  hostname = "127.0.0.1",
): Promise<Uint8Array> {
  const socket = openUdpSocket(hostname.includes(":") ? hostname : "127.0.0.1", 0);
  const timer = setTimeout(() => socket.close(), 10_000);
  const send = async () => {
    for (const bytes of datagrams) await socket.send(bytes, { transport: "udp", hostname, port });
  };
  await send();
  // As the sender does: a busy machine drops a datagram now and then.
  const copies = setInterval(() => void send().catch(() => {}), 2_000);
  const [answer] = await socket.receive();
  clearInterval(copies);
  clearTimeout(timer);
  socket.close();
  return answer;
}
