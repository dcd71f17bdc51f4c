/** The JSON of `ip neigh show` and `ip route show` as values. Pure; refuses every malformed form. */
import { type AddressPrefix, parseAddress } from "../wire/ip_address.ts";
import { parseLinkLayerAddress } from "../wire/link_layer_address.ts";
import { NeighborCacheError } from "./neighbor_cache.ts";

/** One entry of the kernel's table. */
export interface KernelNeighbor {
  readonly address: AddressPrefix;
  readonly device: string;
  /** Null while the kernel knows none, or if it isn't an Ethernet address. */
  readonly linkLayerAddress: Uint8Array | null;
  /** Neighbor unreachability detection's state as `ip` spells it: REACHABLE, STALE, PERMANENT, … */
  readonly state: string;
}

const eio = 5;

/** The value of a line of JSON. */
export function parseIpLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw malformed("no JSON", line);
  }
}

/** The entries of one `neigh show`. */
export function parseNeighbors(value: unknown): KernelNeighbor[] {
  return arrayOf(value).map((entry) => {
    const { dst, dev, lladdr, state } = recordOf(entry);
    const address = typeof dst === "string" ? parseAddress(dst) : null;
    if (address === null) throw malformed("an entry without an address", entry);
    if (typeof dev !== "string" || dev === "") {
      throw malformed("an entry without an interface", entry);
    }
    if (lladdr !== undefined && typeof lladdr !== "string") {
      throw malformed("a link-layer address that is no text", entry);
    }
    if (!Array.isArray(state) || state.length !== 1 || typeof state[0] !== "string") {
      throw malformed("an entry without a state", entry);
    }
    const linkLayerAddress = lladdr === undefined ? null : parseLinkLayerAddress(lladdr);
    return { address, device: dev, linkLayerAddress, state: state[0] };
  });
}

/** The gateways of one `route show default`, each once, in its order. */
export function parseGateways(value: unknown): AddressPrefix[] {
  const texts = new Set<string>();
  for (const entry of arrayOf(value)) {
    const route = recordOf(entry);
    const hops = route.nexthops === undefined ? [] : arrayOf(route.nexthops).map(recordOf);
    for (const hop of [route, ...hops]) {
      const text = gatewayOf(hop);
      if (text !== undefined) texts.add(text);
    }
  }
  return Array.from(texts, (text) => {
    const address = parseAddress(text);
    if (address === null) throw malformed("a gateway that is no address", text);
    return address;
  });
}

/** The gateway's text; `via` is an IPv6 gateway of an IPv4 route (RFC 5549). */
function gatewayOf(hop: Record<string, unknown>): string | undefined {
  const text = hop.gateway ?? (hop.via === undefined ? undefined : recordOf(hop.via).host);
  if (text !== undefined && typeof text !== "string") {
    throw malformed("a gateway that is no text", hop);
  }
  return text;
}

function arrayOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw malformed("no array", value);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function recordOf(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) throw malformed("no object", value);
  return value;
}

function malformed(what: string, value: unknown): NeighborCacheError {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return new NeighborCacheError(`Cannot read the output of "ip": ${what}: ${cut(text)}`, eio);
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
