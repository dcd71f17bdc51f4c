/** Acks and requests as tests of the sender's judgement need them. */
import type { Answer, AskedRequest } from "../../../lib/sender/hosts.ts";
import type { AckStatus, FlushAck, NeighborReport } from "../../../lib/wire/ack.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";

/** This router's link-layer address, and another's. */
export const ownMac = Uint8Array.fromHex("020000000002");
export const foreignMac = Uint8Array.fromHex("020000000001");
export const isOwnMac = (address: Uint8Array) => address.toHex() === ownMac.toHex();

const noMac = new Uint8Array(6);
const bare = { cached: false, gateway: false, linkLayerAddress: noMac };

/** Reports by what they amount to. */
export const reports = {
  own: { ...bare, state: "neighbor", linkLayerAddress: ownMac },
  foreign: { ...bare, state: "neighbor", linkLayerAddress: foreignMac },
  permanentForeign: { ...bare, state: "permanent", linkLayerAddress: foreignMac },
  nobody: { ...bare, state: "no neighbor" },
  nobodyCached: { ...bare, state: "no neighbor", cached: true },
  nobodyGateway: { ...bare, state: "no neighbor", gateway: true },
  unknown: { ...bare, state: "unknown" },
  elsewhere: { ...bare, state: "not concerned" },
} as const satisfies Record<string, NeighborReport>;

/** A request for whole addresses on link 0, unless said otherwise. */
export function asked(id: string, options: Partial<AskedRequest> = {}): AskedRequest {
  const addresses = [parsePrefix("192.0.2.1/32")];
  return { id, action: "flush all", addresses, report: true, links: [0], ...options };
}

/** An instance by a small number. */
export const instance = (n: number) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, n);

/** An ack that came from 192.0.2.20. */
export function answer(
  status: AckStatus,
  given: readonly NeighborReport[] = [],
  options: Partial<FlushAck> & { readonly address?: string } = {},
): Answer {
  const { address = "192.0.2.20", ...fields } = options;
  const isStale = status === "stale";
  const ack: FlushAck = {
    status,
    clock: 0,
    id: new Uint8Array(16),
    error: status === "failed" ? 5 : 0,
    entries: 0,
    micros: 0,
    challenge: isStale ? Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) : null,
    host: isStale ? "" : "sql01",
    instance: instance(1),
    reports: given,
    ...fields,
  };
  return { ack, address, ms: 1, clock: { ms: 0, errorMs: 1 } };
}
