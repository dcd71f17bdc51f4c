/**
 * The service's receiver as a peer among peers: see serve.c, whose arguments and output it has, with
 * the kind of receiver before them:
 *
 *   arpflush   lib/receiver as the service runs it, over a cache that tells ask.c ("F")
 *   filter     a bare loop: receives, makes the same check of header, key and filter, and counts
 *   signature  the same with a check of the signature
 *   bare       a loop that checks nothing: receives and counts
 *
 * ArpFlush and the second loop count what is refused for its signature, too.
 */
import process from "node:process";
import type { NeighborCache } from "../../../lib/neighbors/neighbor_cache.ts";
import { allowNetworks } from "../../../lib/receiver/sources.ts";
import { type OpenSocket, openUdpSocket } from "../../../lib/receiver/listeners.ts";
import { Receiver } from "../../../lib/receiver/receiver.ts";
import { systemTime } from "../../../lib/time.ts";
import { isSignedBy } from "../../../lib/wire/ed25519_node.ts";
import { parseRouterKeys } from "../../../lib/wire/keys.ts";
import {
  hasRightFilter,
  requestHeaderFault,
  requestKeyIdOffset,
  requestMessage,
  requestSignatureOf,
} from "../../../lib/wire/request.ts";
import { emptyCache } from "../../support/empty_cache.ts";
import { hostSigner } from "../../support/datagrams.ts";
import { askPort, sharedRouter } from "../requests.ts";

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

/** One more datagram that was checked; ends the process when there were enough. */
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

const routerKeys = parseRouterKeys([sharedRouter.publicText]);

/** Nothing but cryptography: no source, content, replay, time or gate. */
function serveChecks(withSignature: boolean): Promise<never> {
  return receiveAll((bytes) => {
    if (requestHeaderFault(bytes) !== null) return;
    const key = routerKeys.find(bytes, requestKeyIdOffset);
    if (key === undefined || !hasRightFilter(bytes, key)) return;
    if (withSignature) isSignedBy(key, requestMessage(bytes), requestSignatureOf(bytes));
    note();
  });
}

/** Tells ask.c that a flush starts, and has nothing to flush. */
function tellingCache(): NeighborCache {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const to = { transport: "udp", hostname: "127.0.0.1", port: askPort } as const;
  const started = new TextEncoder().encode("F");
  const cache = emptyCache;
  return { ...cache, flush: (scope) => (socket.send(started, to), cache.flush(scope)) };
}

/** Counts behind the receiver: a datagram is done when the next one is asked for. */
const openCounted: OpenSocket = (address, port) => {
  const socket = openUdpSocket(address, port);
  let seen = 0;
  return {
    addr: socket.addr,
    receive(buffer) {
      const { accepted, repeated } = receiver?.counters.counted ?? { accepted: 0, repeated: 0 };
      const wrong = receiver?.counters.refused.signature ?? 0;
      for (; seen < accepted + repeated + wrong; seen++) note();
      return socket.receive(buffer);
    },
    send: (bytes, to) => socket.send(bytes, to),
    close: () => socket.close(),
  };
};

let receiver: Receiver | null = null;
function serveReceiver(): void {
  const rules = {
    addresses: ["127.0.0.1"],
    port,
    holdDownMs: 0,
    toleranceMs: 60_000,
    routerKeys,
    isSignedBy,
    isLegacy: null,
    isAllowed: allowNetworks([]),
  };
  receiver = new Receiver(rules, {
    cache: tellingCache(),
    report: () => {},
    time: systemTime,
    random: Math.random,
    open: openCounted,
    hostName: () => "measured",
    signer: hostSigner,
    instance: new Uint8Array(8).fill(1),
    challengeSecret: crypto.getRandomValues(new Uint8Array(32)),
    linkZones: () => [],
  });
  ready();
}

if (kind === "bare") await receiveAll(note);
else if (kind === "arpflush") serveReceiver();
else await serveChecks(kind === "signature");
