/** Which of the host's links an address is on. */
import type { IpHelper } from "../win32/iphlpapi.ts";
import type { ForwardRow } from "../win32/mib_ipforward_row2.ts";
import type { UnicastRow } from "../win32/mib_unicastipaddress_row.ts";
import { win32 } from "../win32/win32_error.ts";
import {
  addressBits,
  type AddressPrefix,
  networkOf,
  prefixContains,
  samePrefix,
} from "../wire/ip_address.ts";
import { bothFamilies } from "./windows_table.ts";

/** A network on the link of one of the host's interfaces. */
export interface Link {
  readonly network: AddressPrefix;
  /** The host's own address in it. */
  readonly own: AddressPrefix;
  readonly interfaceIndex: number;
  readonly interfaceLuid: bigint;
}

function isLoopback(address: AddressPrefix): boolean {
  const { family, bytes } = address;
  return family === 4 ? bytes[0] === 127 : bytes[15] === 1 && !bytes.subarray(0, 15).some(Boolean);
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

/** The networks on the host's links, loopback left out. */
export function readLinks(ip: IpHelper): Link[] {
  return bothFamilies(
    "GetUnicastIpAddressTable",
    (family) => ip.getUnicastIpAddressTable(family),
  ).flatMap(toLink);
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
