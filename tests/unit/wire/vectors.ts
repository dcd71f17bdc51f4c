/** The golden vectors, made by an independent implementation, as this project's types. */
import {
  type AckStatus,
  type FlushAck,
  type NeighborState,
  neighborStates,
} from "../../../lib/wire/ack.ts";
import { parseLinkLayerAddress, parsePrefix } from "../../../lib/wire/addresses.ts";
import { parseKeyFile } from "../../../lib/wire/keys.ts";
import { type Action, actions, type FlushRequest } from "../../../lib/wire/request.ts";
import vectors from "./vectors.json" with { type: "json" };

/** The vectors' keyring: one key. */
export const keyring = parseKeyFile(vectors.key);
export const key = keyring.signing;
export { vectors };

function actionOf(number: number): Action {
  return actions[number];
}

/** Each request vector: its name, meaning and bytes. */
export const requestVectors = vectors.requests.map((vector) => ({
  name: vector.name,
  request: {
    action: actionOf(vector.action),
    acknowledge: vector.acknowledge,
    report: vector.report,
    created: vector.created,
    id: Uint8Array.fromHex(vector.id),
    ackSpreadMs: vector.ackSpreadMs,
    sender: vector.sender,
    addresses: vector.addresses.map(parsePrefix),
  } satisfies FlushRequest,
  bytes: Uint8Array.fromHex(vector.bytes),
}));

function statusOf(text: string): AckStatus {
  if (text === "alive" || text === "flushed" || text === "stale" || text === "failed") return text;
  throw new Error(`Unknown status in the vectors: ${text}`);
}

function reportOf([state, linkLayerAddress]: (string | number)[]): {
  state: NeighborState;
  linkLayerAddress: Uint8Array;
} {
  const bytes = parseLinkLayerAddress(String(linkLayerAddress));
  if (bytes === null) throw new Error(`Unknown address in the vectors: ${linkLayerAddress}`);
  return { state: neighborStates[Number(state)], linkLayerAddress: bytes };
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
    host: vector.host,
    reports: vector.reports.map(reportOf),
  } satisfies FlushAck,
  bytes: Uint8Array.fromHex(vector.bytes),
}));
