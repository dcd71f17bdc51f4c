/** Routers, hosts, signed requests and acks, for tests that speak to a real service or sender. */
import {
  decodeAck,
  encodeAck,
  type FlushAck,
  type NeighborReport,
  type SentRequest,
} from "../../lib/wire/ack.ts";
import { idLength } from "../../lib/wire/datagram.ts";
import { createSyncSigner, isSignedBy } from "../../lib/wire/ed25519_node.ts";
import {
  createRouterKey,
  formatKey,
  type RouterKey,
  type SyncSigner,
} from "../../lib/wire/keys.ts";
import {
  encodeRequest,
  type FlushRequest,
  parseRequest,
  requestFilterOf,
  requestMessage,
  sealRequest,
} from "../../lib/wire/request.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A UDP port of the loopback that is free now. */
export function freePort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return port;
}

/** A router that signs. */
export interface TestRouter {
  readonly key: RouterKey;
  /** What hosts list and what a key file holds. */
  readonly publicText: string;
  readonly secretText: string;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** The router of a seed of 32 equal bytes. */
export function createRouter(fill: number): TestRouter {
  return routerOf(new Uint8Array(32).fill(fill));
}

/** The router of a seed of 32 bytes. */
export function routerOf(seed: Uint8Array): TestRouter {
  const { publicKey, sign } = createSyncSigner(seed);
  return {
    key: createRouterKey(publicKey),
    publicText: formatKey("public", publicKey),
    secretText: formatKey("secret", seed),
    sign,
  };
}

/** What signs the acks of the tests' host. */
export const hostSigner: SyncSigner = createSyncSigner(new Uint8Array(32).fill(9));

/** A request to flush all, created now, with a random id, that asks for an ack. */
export function createRequest(changes: Partial<FlushRequest> = {}): FlushRequest {
  return {
    action: "flush all",
    acknowledge: true,
    report: false,
    // Later than the start of a service in this very millisecond.
    created: Date.now() + 1,
    id: crypto.getRandomValues(new Uint8Array(idLength)),
    ackSpreadMs: 0,
    challenge: new Uint8Array(8),
    sender: "router",
    addresses: [],
    ...changes,
  };
}

/** Writes the router's signature and a right filter into the bytes of a request. */
export function seal(bytes: Bytes, { key, sign }: Pick<TestRouter, "key" | "sign">): void {
  sealRequest(bytes, sign(requestMessage(bytes)), key);
}

/** The bytes of `createRequest(changes)`. */
export function signRequest(router: TestRouter, changes: Partial<FlushRequest> = {}): Bytes {
  const bytes = encodeRequest(createRequest(changes), router.key);
  seal(bytes, router);
  return bytes;
}

/** The ack of a host that flushed one entry at this moment, with a neighbor for each address in question. */
export function signAck(
  request: Uint8Array,
  { key }: Pick<TestRouter, "key">,
  changes: Partial<FlushAck> = {},
  signer = hostSigner,
): Bytes {
  const { id, report, addresses } = parsed(request);
  const neighbor: NeighborReport = {
    state: "neighbor",
    cached: true,
    gateway: false,
    linkLayerAddress: Uint8Array.of(2, 0, 0, 0, 0, 1),
  };
  const ack: FlushAck = {
    status: "flushed",
    clock: Date.now(),
    id,
    error: 0,
    entries: 1,
    micros: 1,
    challenge: null,
    host: "SQL01",
    instance: new Uint8Array(8).fill(1),
    reports: report ? addresses.map(() => neighbor) : [],
    ...changes,
  };
  return encodeAck(ack, key, requestFilterOf(request), signer);
}

/** What an ack to these bytes of a request has to fit, as `decodeAck` takes it. */
export function sentRequest(
  request: Uint8Array,
  { key }: Pick<TestRouter, "key">,
): SentRequest {
  const { id, action, acknowledge, report, addresses } = parsed(request);
  const reportCount = report ? addresses.length : 0;
  return { key, id, filter: requestFilterOf(request), action, acknowledge, reportCount };
}

/** The ack in a datagram to these bytes of a router's request; throws if it is none. */
export function readAck(answer: Uint8Array, request: Uint8Array, router: TestRouter): FlushAck {
  const decoded = decodeAck(answer, sentRequest(request, router));
  if (typeof decoded === "string") throw new Error(`Not an ack: ${decoded}`);
  const { ack, hostKey, message, signature } = decoded;
  if (!isSignedBy({ publicKey: hostKey }, message, signature)) {
    throw new Error("The signature is wrong");
  }
  if (answer.length > request.length) throw new Error("The ack is longer than its request");
  return ack;
}

function parsed(request: Uint8Array): FlushRequest {
  const meaning = parseRequest(request);
  if (meaning === null) throw new Error("The request is broken");
  return meaning;
}
