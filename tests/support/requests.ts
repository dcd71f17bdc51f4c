/** Routers, a host and requests for tests. */
import { decodeAck, type FlushAck } from "../../lib/wire/ack.ts";
import { type AddressPrefix, parseAddress } from "../../lib/wire/addresses.ts";
import { createSyncSigner, createVerifier } from "../../lib/wire/ed25519_node.ts";
import {
  createRouterKey,
  formatKey,
  parseRouterKeys,
  type RouterKey,
} from "../../lib/wire/keys.ts";
import {
  encodeRequest,
  type FlushRequest,
  parseRequest,
  requestFilterOf,
  requestMessage,
  sealRequest,
} from "../../lib/wire/request.ts";

/** A router that signs. */
export interface TestRouter {
  readonly key: RouterKey;
  readonly publicText: string;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** The router of a seed of equal bytes. */
export function testRouter(fill: number): TestRouter {
  const { publicKey, sign } = createSyncSigner(new Uint8Array(32).fill(fill));
  return { key: createRouterKey(publicKey), publicText: formatKey("public", publicKey), sign };
}

export const router = testRouter(1);
export const otherRouter = testRouter(2);
export const { key } = router;
export const routerKeys = parseRouterKeys([router.publicText]);
/** What signs the acks of the tests' host. */
export const hostSigner = createSyncSigner(new Uint8Array(32).fill(9));

/** A whole address; throws for a text that is none. */
export function address(text: string): AddressPrefix {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(`"${text}" is no address`);
  return parsed;
}

let ids = 0;

/** A request to flush all, acknowledged, with an id of its own. */
export function request(changes: Partial<FlushRequest> = {}): FlushRequest {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, ++ids);
  return {
    action: "flush all",
    acknowledge: true,
    report: false,
    // Later than the start of a service in this millisecond.
    created: Date.now() + 1,
    id,
    ackSpreadMs: 0,
    challenge: new Uint8Array(8),
    sender: "r1",
    addresses: [],
    ...changes,
  };
}

/** Writes a signature and a right filter into the bytes of a request. */
export function seal(bytes: Uint8Array<ArrayBuffer>, { key, sign } = router): void {
  sealRequest(bytes, sign(requestMessage(bytes)), key);
}

/** The bytes of a `request` of a router. */
export function signed(
  changes: Partial<FlushRequest> = {},
  by: TestRouter = router,
): Uint8Array<ArrayBuffer> {
  const bytes = encodeRequest(request(changes), by.key);
  seal(bytes, by);
  return bytes;
}

/** The ack in a datagram to these request bytes of the tests' router; throws if it is none. */
export function readAck(answer: Uint8Array, requestBytes: Uint8Array, by = router): FlushAck {
  const request = parseRequest(requestBytes);
  if (request === null) throw new Error("The request is broken");
  const { id, action, acknowledge, report, addresses } = request;
  const reportCount = report ? addresses.length : 0;
  const filter = requestFilterOf(requestBytes);
  const decoded = decodeAck(answer, { key: by.key, id, filter, action, acknowledge, reportCount });
  if (typeof decoded === "string") throw new Error(`Not an ack: ${decoded}`);
  const { ack, hostKey, message, signature } = decoded;
  if (!createVerifier(hostKey)(message, signature)) throw new Error("The signature is wrong");
  if (answer.length > requestBytes.length) throw new Error("The ack is longer than its request");
  return ack;
}
