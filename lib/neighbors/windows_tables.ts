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
  type AddressPrefix,
  formatAddress,
  isLoopback,
  isWholeAddress,
  prefixContains,
  samePrefix,
} from "../wire/addresses.ts";
import {
  type FoundNeighbor,
  foundWithout,
  type Neighbor,
  NeighborCacheError,
} from "./neighbor_cache.ts";

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
export function bothFamilies<Row>(
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
  const present = each.filter(({ code }) => code !== win32.notSupported);
  if (present.length === 0) throw callError(`${name}(AF_UNSPEC)`, both.code);
  const broken = present.find(({ code }) => code !== win32.success);
  if (broken !== undefined) throw callError(`${name}(${broken.family})`, broken.code);
  return present.flatMap(({ rows }) => rows);
}

/** All rows of the neighbor cache, both families, every interface, by `rowKey`. */
export function readRows(ip: IpHelper): Map<string, IpNetRow> {
  const rows = bothFamilies("GetIpNetTable2", (family) => ip.getIpNetTable2(family));
  return new Map(rows.map((row) => [rowKey(row), row]));
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

/** Whether a row leads to a link-layer address, of whatever kind. Windows shows zeros for none. */
export function isResolved({ physicalAddress, state }: IpNetRow): boolean {
  return state !== NlnsIncomplete && physicalAddress.some(Boolean);
}

/** The Ethernet address a row leads to; null while it leads to none. */
export function linkLayerAddressOf(row: IpNetRow): Uint8Array | null {
  const { physicalAddress } = row;
  return isResolved(row) && physicalAddress.length === ethernetAddressLength
    ? physicalAddress
    : null;
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

/** What a row of the table says of its address. */
export function reportRow(row: IpNetRow | undefined): FoundNeighbor {
  if (row === undefined || !isResolved(row)) return foundWithout("no neighbor");
  const linkLayerAddress = linkLayerAddressOf(row);
  if (linkLayerAddress === null) return foundWithout("unknown", true);
  return { state: isPermanent(row) ? "permanent" : "neighbor", cached: true, linkLayerAddress };
}

/** The host's own addresses, both families. */
export function readUnicastRows(ip: IpHelper): UnicastRow[] {
  return bothFamilies(
    "GetUnicastIpAddressTable",
    (family) => ip.getUnicastIpAddressTable(family),
  );
}

/** The routes of both families. */
export function readRoutes(ip: IpHelper): ForwardRow[] {
  return bothFamilies("GetIpForwardTable2", (family) => ip.getIpForwardTable2(family));
}

/** The addresses that routes go through, each once; routes straight onto a link have none. */
export function nextHops(routes: readonly ForwardRow[]): AddressPrefix[] {
  const hops = routes.map(({ nextHop }) => nextHop).filter(({ bytes }) => bytes.some(Boolean));
  return [...new Map(hops.map((address) => [formatAddress(address), address])).values()];
}

/** One of the host's own addresses, which says its link and the network on that; none of loopback. */
export type Link = UnicastRow;

function isOnLink({ address, onLinkPrefixLength }: Link, other: AddressPrefix): boolean {
  return prefixContains({ ...address, length: onLinkPrefixLength }, other);
}

/** The link that each address is on, or null for what can't be looked at. */
export function linksOf(
  ip: IpHelper,
  addresses: readonly AddressPrefix[],
  source?: AddressPrefix,
): (Link | null)[] {
  const links = readUnicastRows(ip).filter(({ address }) => !isLoopback(address));
  const routes = readRoutes(ip);
  return addresses.map((address) =>
    isWholeAddress(address) ? chooseLink(ip, links, routes, address, source) : null
  );
}

/**
 * The link a whole address is on; null when it is on none or is the host's own. Of several links
 * with the longest matching network, the one the request's source is on is meant, then the one that
 * routes through the address (a link-local gateway), then the one the best route leaves through.
 */
function chooseLink(
  ip: IpHelper,
  links: readonly Link[],
  routes: readonly ForwardRow[],
  address: AddressPrefix,
  source?: AddressPrefix,
): Link | null {
  if (links.some((link) => samePrefix(link.address, address))) return null;
  const matching = links.filter((link) => isOnLink(link, address));
  const longest = Math.max(...matching.map(({ onLinkPrefixLength }) => onLinkPrefixLength));
  const candidates = matching.filter(({ onLinkPrefixLength }) => onLinkPrefixLength === longest);
  if (candidates.length < 2) return candidates[0] ?? null;

  const hasInterface = ({ interfaceIndex }: Link, rows: readonly { interfaceIndex: number }[]) =>
    rows.some((row) => row.interfaceIndex === interfaceIndex);
  const ofSource = source === undefined ? [] : links.filter((link) => isOnLink(link, source));
  const meant = candidates.filter((link) => hasInterface(link, ofSource));
  if (meant.length === 1) return meant[0];
  const through = routes.filter(({ nextHop }) => samePrefix(nextHop, address));
  const best = ip.getBestInterfaceEx(address);
  return candidates.find((link) => hasInterface(link, through)) ??
    candidates.find(({ interfaceIndex }) => interfaceIndex === best) ?? candidates[0];
}

/** The row that names an address on a link, for the calls that take one. */
export function questionRow(
  address: AddressPrefix,
  { interfaceIndex, interfaceLuid }: Link,
): IpNetRow {
  return { address, interfaceIndex, interfaceLuid, physicalAddress: new Uint8Array(), state: 0 };
}
