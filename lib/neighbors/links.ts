/** Which of the host's links an address is on. Pure: the interfaces are handed in. */
import {
  type AddressPrefix,
  networkOf,
  parseAddress,
  prefixContains,
  samePrefix,
} from "../wire/ip_address.ts";

/** One address of an interface, with the network it is in. */
export interface Link {
  readonly interfaceName: string;
  readonly own: AddressPrefix;
  readonly network: AddressPrefix;
}

/** What is needed of a `Deno.NetworkInterfaceInfo`. */
export interface InterfaceAddress {
  readonly name: string;
  readonly address: string;
  /** Address and prefix length. */
  readonly cidr: string | null;
}

/** Neighbors don't live there. */
const loopback: readonly AddressPrefix[] = [
  { family: 4, length: 8, bytes: Uint8Array.of(127, ...new Uint8Array(15)) },
  { family: 6, length: 128, bytes: Uint8Array.of(...new Uint8Array(15), 1) },
];

/**
 * The links of `Deno.networkInterfaces()`; what isn't an address with a prefix length is left out.
 * Linux lists an address with a label under it (`eth0:vip`): the interface is before the colon.
 */
export function linksOf(interfaces: readonly InterfaceAddress[]): Link[] {
  const links: Link[] = [];
  for (const { name, address, cidr } of interfaces) {
    const own = parseAddress(address.split("%")[0]);
    const length = Number(cidr?.split("/")[1]);
    if (own === null || !(length <= own.length)) continue;
    links.push({ interfaceName: name.split(":")[0], own, network: networkOf(own, length) });
  }
  return links;
}

/**
 * The names of the interfaces on which an address can be a neighbor: those with the longest prefix
 * that holds it; of several, those that `source` is on, if any. Empty for an address of the host
 * itself, a loopback address, and one that is on no link.
 */
export function interfacesToward(
  links: readonly Link[],
  address: AddressPrefix,
  source?: AddressPrefix,
): string[] {
  if (links.some((link) => samePrefix(link.own, address))) return [];
  if (loopback.some((network) => prefixContains(network, address))) return [];
  const holding = links.filter((link) => prefixContains(link.network, address));
  const longest = Math.max(...holding.map((link) => link.network.length));
  const names = new Set(
    holding.filter((link) => link.network.length === longest).map((link) => link.interfaceName),
  );
  if (source === undefined || names.size < 2) return [...names];
  const near = links.filter((link) =>
    names.has(link.interfaceName) && prefixContains(link.network, source)
  );
  return near.length === 0 ? [...names] : [...new Set(near.map((link) => link.interfaceName))];
}
