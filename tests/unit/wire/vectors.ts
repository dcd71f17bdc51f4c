/** The golden vectors, made by an independent implementation, as this project's types. */
import {
  type AckStatus,
  ackStatuses,
  type FlushAck,
  type NeighborReport,
  neighborStates,
} from "../../../lib/wire/ack.ts";
import { parseLinkLayerAddress, parsePrefix } from "../../../lib/wire/addresses.ts";
import { createSyncSigner } from "../../../lib/wire/ed25519_node.ts";
import { createRouterKey, parseKey, type RouterKey } from "../../../lib/wire/keys.ts";
import {
  actions,
  encodeRequest,
  type FlushRequest,
  requestMessage,
  sealRequest,
} from "../../../lib/wire/request.ts";
import vectors from "./vectors.json" with { type: "json" };

export { vectors };

/** The vectors' router: its seed's signer, and what follows from its public key. */
export const routerSigner = createSyncSigner(parseKey("secret", vectors.secret));
export const routerKey = createRouterKey(parseKey("public", vectors.public));
/** The vectors' host. */
export const hostSigner = createSyncSigner(Uint8Array.fromHex(vectors.hostSeed));

/** The whole bytes of a request, signed by a router, the vectors' one by default. */
export function signedRequest(
  request: FlushRequest,
  key: RouterKey = routerKey,
  signer = routerSigner,
): Uint8Array<ArrayBuffer> {
  const bytes = encodeRequest(request, key);
  sealRequest(bytes, signer.sign(requestMessage(bytes)), key);
  return bytes;
}

/** Each request vector: its name, meaning and bytes. */
export const requestVectors = vectors.requests.map((vector) => ({
  name: vector.name,
  request: {
    action: actions[vector.action],
    acknowledge: vector.acknowledge,
    report: vector.report,
    created: vector.created,
    id: Uint8Array.fromHex(vector.id),
    ackSpreadMs: vector.ackSpreadMs,
    challenge: Uint8Array.fromHex(vector.challenge),
    sender: vector.sender,
    addresses: vector.addresses.map(parsePrefix),
  } satisfies FlushRequest,
  bytes: Uint8Array.fromHex(vector.bytes),
}));

/** Each vector of a request that must be refused, for the reason that its name says. */
export const refusedRequests = vectors.refusedRequests.map(({ name, bytes }) => ({
  name,
  bytes: Uint8Array.fromHex(bytes),
}));

function statusOf(text: string): AckStatus {
  const status = ackStatuses.find((each) => each === text);
  if (status === undefined) throw new Error(`Unknown status in the vectors: ${text}`);
  return status;
}

function reportOf([state, linkLayerAddress, flags]: (string | number)[]): NeighborReport {
  const bytes = parseLinkLayerAddress(String(linkLayerAddress));
  if (bytes === null) throw new Error(`Unknown address in the vectors: ${linkLayerAddress}`);
  return {
    state: neighborStates[Number(state)],
    cached: (Number(flags) & 1) !== 0,
    gateway: (Number(flags) & 2) !== 0,
    linkLayerAddress: bytes,
  };
}

/** Each ack vector: its name, meaning, bytes and the request it answers. */
export const ackVectors = vectors.acks.map((vector) => ({
  name: vector.name,
  to: requestVectors[vector.request],
  ack: {
    status: statusOf(vector.status),
    clock: vector.clock,
    id: requestVectors[vector.request].request.id,
    error: vector.error,
    entries: vector.entries,
    micros: vector.micros,
    challenge: vector.challenge === undefined ? null : Uint8Array.fromHex(vector.challenge),
    host: vector.host,
    instance: Uint8Array.fromHex(vector.instance),
    reports: vector.reports.map(reportOf),
  } satisfies FlushAck,
  bytes: Uint8Array.fromHex(vector.bytes),
}));

/** Each vector of an ack that must be refused, and the request it pretends to answer. */
export const refusedAcks = vectors.refusedAcks.map(({ name, request, bytes }) => ({
  name,
  to: requestVectors[request],
  bytes: Uint8Array.fromHex(bytes),
}));
