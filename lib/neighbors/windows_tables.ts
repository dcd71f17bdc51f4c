/** The tables of iphlpapi.dll, read whole: neighbors, own addresses, routes, and what they mean. */
import type { IpHelper, TableResult } from "../win32/iphlpapi.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  type ForwardRow,
  type IpNetRow,
  NlnsIncomplete,
  NlnsPermanent,
  type UnicastRow,
} from "../win32/netioapi.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import {
  addressBits,
  type AddressPrefix,
  formatAddress,
  isLoopback,
  networkOf,
  prefixContains,
  samePrefix,
} from "../wire/addresses.ts";
import { type Neighbor, NeighborCacheError } from "./neighbor_cache.ts";

const ethernetAddressLength = 6;

/** What failed as the ack and the log name it: the call and Microsoft's name for its error. */
export function callError(call: string, code: number): NeighborCacheError {
  return new NeighborCacheError(`${call} returned ${describeWin32Error(code)}`, code);
}

/** Whether a call that flushes or deletes did its work; 1168 says that there was nothing to do. */
export function isDone(code: number): boolean {
  return code === win32.success || code === win32.notFound;
}

/**
 * The rows of both families from a call that takes one. Where the system refuses both at once
 * because one is absent (50), each is asked for on its own; only a system with neither is an error.
 */
function bothFamilies<Row>(
  name: string,
  call: (family: number) => TableResult<Row>,
): Row[] {
  const both = call(AF_UNSPEC);
  if (both.code === win32.success) return both.rows;
  if (both.code !== win32.notSupported) throw callError(`${name}(AF_UNSPEC)`, both.code);
  const each = [
    { family: "AF_INET", ...call(AF_INET) },
    { family: "AF_INET6", ...call(AF_INET6) },
  ];
  const broken = each.find(({ code }) => code !== win32.success && code !== win32.notSupported);
  if (broken !== undefined) throw callError(`${name}(${broken.family})`, broken.code);
  if (each.every(({ code }) => code === win32.notSupported)) {
    throw callError(`${name}(AF_UNSPEC)`, both.code);
  }
  return each.flatMap(({ rows }) => rows);
}

/** All rows of the neighbor cache, both families, every interface. */
export function readRows(ip: IpHelper): IpNetRow[] {
  return bothFamilies("GetIpNetTable2", (family) => ip.getIpNetTable2(family));
}

/** Tells rows apart: interface and address. */
export function rowKey(row: Pick<IpNetRow, "interfaceIndex" | "address">): string {
  return `${row.interfaceIndex} ${row.address.family} ${row.address.bytes.toHex()}`;
}

/** A row as people know it, for the log. */
export function describeRow(row: IpNetRow): string {
  return `${formatAddress(row.address)} on interface ${row.interfaceIndex}`;
}

/** Set by an administrator, or by the system for its own use. */
export function isPermanent(row: IpNetRow): boolean {
  return row.state === NlnsPermanent;
}

/**
 * Whether the system made a permanent row for itself, and makes it again without our help: those
 * of multicast, broadcast and loopback.
 */
export function isSystemRow(row: IpNetRow): boolean {
  const { family, bytes } = row.address;
  if (row.physicalAddress.length === 0) return true;
  if (row.physicalAddress.every((byte) => byte === 0xff)) return true;
  return family === 4 ? bytes[0] >= 224 || bytes[0] === 127 : bytes[0] === 0xff;
}

/**
 * The Ethernet address a row leads to; null while it leads nowhere. Windows shows zeros where it
 * has none.
 */
export function linkLayerAddressOf(row: IpNetRow): Uint8Array | null {
  const { physicalAddress, state } = row;
  if (state === NlnsIncomplete || physicalAddress.length !== ethernetAddressLength) return null;
  return physicalAddress.some(Boolean) ? physicalAddress : null;
}

/** Whether a row leads to a link-layer address that isn't an Ethernet address. */
export function hasForeignAddress({ physicalAddress, state }: IpNetRow): boolean {
  return state !== NlnsIncomplete && physicalAddress.length !== ethernetAddressLength &&
    physicalAddress.some(Boolean);
}

/** A row as every platform reports it. */
export function toNeighbor(row: IpNetRow): Neighbor {
  return {
    address: row.address,
    interfaceName: String(row.interfaceIndex),
    linkLayerAddress: linkLayerAddressOf(row),
    permanent: isPermanent(row),
  };
}

/** A network on the link of one of the host's interfaces. */
export interface Link {
  readonly network: AddressPrefix;
  /** The host's own address in it. */
  readonly own: AddressPrefix;
  readonly interfaceIndex: number;
  readonly interfaceLuid: bigint;
}

function toLink(row: UnicastRow): Link[] {
  const { address, onLinkPrefixLength } = row;
  if (isLoopback(address) || onLinkPrefixLength > addressBits(address.family)) return [];
  return [{
    network: networkOf(address, onLinkPrefixLength),
    own: address,
    interfaceIndex: row.interfaceIndex,
    interfaceLuid: row.interfaceLuid,
  }];
}

/** The host's own addresses, both families. */
export function readUnicastRows(ip: IpHelper): UnicastRow[] {
  return bothFamilies(
    "GetUnicastIpAddressTable",
    (family) => ip.getUnicastIpAddressTable(family),
  );
}

/** The networks on the host's links, loopback left out. */
export function readLinks(ip: IpHelper): Link[] {
  return readUnicastRows(ip).flatMap(toLink);
}

/** The routes of both families. */
export function readRoutes(ip: IpHelper): ForwardRow[] {
  return bothFamilies("GetIpForwardTable2", (family) => ip.getIpForwardTable2(family));
}

/** The default routes' next hops, each once; routes straight onto a link have none. */
export function defaultGateways(routes: readonly ForwardRow[]): AddressPrefix[] {
  const gateways: AddressPrefix[] = [];
  for (const { destinationLength, nextHop: { address } } of routes) {
    if (destinationLength !== 0 || !address.bytes.some(Boolean)) continue;
    if (!gateways.some((known) => samePrefix(known, address))) gateways.push(address);
  }
  return gateways;
}

/** The addresses that any route goes through, each once. */
export function nextHops(routes: readonly ForwardRow[]): AddressPrefix[] {
  const hops = routes.map(({ nextHop }) => nextHop.address).filter(({ bytes }) =>
    bytes.some(Boolean)
  );
  return [...new Map(hops.map((address) => [formatAddress(address), address])).values()];
}

/**
 * The link a whole address is on; null when it is on none or is the host's own. Of several links
 * with the longest matching network, the one the request's source is on is meant, then the one that
 * routes through the address (a link-local gateway), then the one the best route leaves through.
 */
export function chooseLink(
  ip: IpHelper,
  links: readonly Link[],
  routes: readonly ForwardRow[],
  address: AddressPrefix,
  source?: AddressPrefix,
): Link | null {
  if (links.some((link) => samePrefix(link.own, address))) return null;
  const matching = links.filter((link) => prefixContains(link.network, address));
  const longest = Math.max(...matching.map((link) => link.network.length));
  const candidates = matching.filter((link) => link.network.length === longest);
  if (candidates.length < 2) return candidates[0] ?? null;

  const ofSource = source === undefined
    ? []
    : candidates.filter((link) =>
      links.some((other) =>
        other.interfaceIndex === link.interfaceIndex && prefixContains(other.network, source)
      )
    );
  if (ofSource.length === 1) return ofSource[0];
  const ofRoute = candidates.find((link) =>
    routes.some((route) =>
      route.interfaceIndex === link.interfaceIndex && samePrefix(route.nextHop.address, address)
    )
  );
  if (ofRoute !== undefined) return ofRoute;
  const best = ip.getBestInterfaceEx({ address, scopeId: 0 });
  const ofBest = best.code === win32.success
    ? candidates.find((link) => link.interfaceIndex === best.interfaceIndex)
    : undefined;
  return ofBest ?? candidates[0];
}
