/**
 * The service's receiver as a peer among peers: see serve.c, whose arguments and output it has, with
 * the kind of receiver before them:
 *
 *   arpflush   lib/receiver as the service runs it, over a cache that tells ask.c ("F")
 *   mac        a bare loop: receives, makes the same check of header, key and MAC, and counts
 *   bare       a loop that checks nothing: receives and counts
 */
import process from "node:process";
import { createMemoryCache } from "../../../lib/neighbors/memory.ts";
import type { NeighborCache } from "../../../lib/neighbors/neighbor_cache.ts";
import { allowNetworks } from "../../../lib/receiver/accept.ts";
import { type OpenSocket, openUdpSocket } from "../../../lib/receiver/datagram_loop.ts";
import { Receiver } from "../../../lib/receiver/receiver.ts";
import { systemTime } from "../../../lib/time.ts";
import { createKey, createKeyring, type Key } from "../../../lib/wire/keys.ts";
import {
  requestHeaderFault,
  requestKeyIdOffset,
  verifyRequest,
} from "../../../lib/wire/request.ts";
import { askPort, sharedSecret } from "../requests.ts";

const [kind, portText, warmupText, countText] = Deno.args;
const port = Number(portText);
const warmup = Number(warmupText);
const count = Number(countText);
const bufferLength = 65_536;

let received = 0;
let start = 0;
let cpuStart = 0;

/** Processor time of the process so far, all its threads. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
}

/** One more accepted datagram; ends the process when there were enough. */
function note(): void {
  received++;
  if (received === warmup) {
    start = performance.now();
    cpuStart = cpuNs();
  }
  if (count > 0 && received === warmup + count) {
    console.log(Math.round((performance.now() - start) * 1e6), cpuNs() - cpuStart);
    Deno.exit();
  }
}

function ready(): void {
  console.log("ready");
}

async function receiveAll(take: (bytes: Uint8Array) => void): Promise<never> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(bufferLength);
  ready();
  while (true) {
    const [bytes] = await socket.receive(buffer);
    take(bytes);
  }
}

/** Nothing but what makes a datagram authentic: no source, content, replay, time or gate. */
function serveMac(key: Key): Promise<never> {
  const keyring = createKeyring([key]);
  return receiveAll((bytes) => {
    if (requestHeaderFault(bytes) !== null) return;
    const found = keyring.find(bytes, requestKeyIdOffset);
    if (found !== undefined && verifyRequest(bytes, found)) note();
  });
}

/** Tells ask.c that a flush starts, and has nothing to flush. */
function tellingCache(): NeighborCache {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const to = { transport: "udp", hostname: "127.0.0.1", port: askPort } as const;
  const started = new TextEncoder().encode("F");
  return createMemoryCache({
    before(method) {
      if (method === "flush") socket.send(started, to);
    },
  });
}

/** Counts behind the receiver: a datagram is done when the next one is asked for. */
const openCounted: OpenSocket = (address, port) => {
  const socket = openUdpSocket(address, port);
  let seen = 0;
  return {
    addr: socket.addr,
    receive(buffer) {
      const { accepted, repeated } = receiver?.counters.counted ?? { accepted: 0, repeated: 0 };
      for (; seen < accepted + repeated; seen++) note();
      return socket.receive(buffer);
    },
    send: (bytes, to) => socket.send(bytes, to),
    close: () => socket.close(),
  };
};

let receiver: Receiver | null = null;
function serveReceiver(key: Key): void {
  const rules = {
    address: "127.0.0.1",
    port,
    holdDownMs: 0,
    toleranceMs: 60_000,
    keyring: createKeyring([key]),
    isLegacy: null,
    isAllowed: allowNetworks([]),
  };
  receiver = new Receiver(rules, {
    cache: tellingCache(),
    report: () => {},
    time: systemTime,
    random: Math.random,
    open: openCounted,
    hostName: "measured",
  });
  ready();
}

const key = createKey(sharedSecret);
if (kind === "bare") await receiveAll(note);
else if (kind === "mac") await serveMac(key);
else serveReceiver(key);
