/** The addresses in question: by default those that this machine holds where it sends. */
import {
  addressBits,
  type AddressPrefix,
  parseAddress,
  prefixContains,
  samePrefix,
} from "../wire/ip_address.ts";
import { formatLinkLayerAddress } from "../wire/link_layer_address.ts";
import { isLoopback, type NetworkInterface } from "./interfaces.ts";
import { isLinkLocal, type Target } from "./targets.ts";

function isOnLink(candidate: NetworkInterface, address: AddressPrefix): boolean {
  return candidate.addresses.some(({ network }) => prefixContains(network, address));
}

/**
 * The interfaces that datagrams to these targets leave through. Exact for `--all`, zones and
 * addresses on a link; for a routed address or a name, which only the system's resolver knows, all
 * that have neighbors: a host says "not looked at" to an address that isn't on any of its links.
 */
export function interfacesOf(
  targets: readonly Target[],
  interfaces: readonly NetworkInterface[],
): NetworkInterface[] {
  const able = interfaces.filter((candidate) => candidate.hasNeighbors);
  const chosen = targets.flatMap(({ address, interfaceNames }) => {
    if (interfaceNames.length > 0) return able.filter(({ name }) => interfaceNames.includes(name));
    if (address === null) return able;
    if (isLoopback(address)) return [];
    const onLink = able.filter((candidate) => isOnLink(candidate, address));
    return onLink.length > 0 ? onLink : able;
  });
  return able.filter((candidate) => chosen.includes(candidate));
}

/** Each prefix once, at its first place. */
export function uniquePrefixes(prefixes: readonly AddressPrefix[]): AddressPrefix[] {
  return prefixes.filter((prefix, i) => prefixes.findIndex((p) => samePrefix(p, prefix)) === i);
}

/**
 * The addresses held by interfaces, those first that matter most in a failover: IPv4 before IPv6,
 * and among each the ones without a network (length 32 or 128), as virtual addresses are added.
 */
export function defaultAddresses(interfaces: readonly NetworkInterface[]): AddressPrefix[] {
  const held = interfaces.flatMap(({ addresses }) => addresses);
  const rank = ({ address, network }: typeof held[number]) =>
    (address.family === 4 ? 0 : 2) + (network.length === addressBits(network.family) ? 0 : 1);
  return uniquePrefixes(
    held.toSorted((a, b) => rank(a) - rank(b)).map(({ address }) => address),
  );
}

/** What this machine can say about the link-layer address that a host reports. */
export interface Ownership {
  /** Whether a link-layer address is one of this machine's own, on any interface. */
  isOwn(linkLayerAddress: Uint8Array): boolean;
  /**
   * Whether a report on an address tells anything, from a host that answers from `source`. An
   * address that this machine holds on another link than the host's is none of that host's: a
   * link-local one never, another one unless it was asked for by name (`named`). Neither does one
   * on an interface whose link-layer address isn't known.
   */
  isJudged(address: AddressPrefix, source: string): boolean;
}

/** The ownership of a machine with these interfaces; `named` if `--address` gave the addresses. */
export function ownershipOf(interfaces: readonly NetworkInterface[], named: boolean): Ownership {
  const own = new Set(
    interfaces.flatMap(({ linkLayerAddress }) =>
      linkLayerAddress === null ? [] : [formatLinkLayerAddress(linkLayerAddress)]
    ),
  );
  const holders = (address: AddressPrefix) =>
    interfaces.filter((candidate) =>
      candidate.addresses.some((h) => samePrefix(h.address, address))
    );
  return {
    isOwn: (linkLayerAddress) => own.has(formatLinkLayerAddress(linkLayerAddress)),
    isJudged: (address, source) => {
      const holding = holders(address);
      if (holding.length === 0) return true;
      if (holding.some(({ linkLayerAddress }) => linkLayerAddress === null)) return false;
      if (named && !isLinkLocal(address)) return true;
      const [literal, zone] = source.split("%");
      const from = parseAddress(literal);
      if (from === null) return true;
      const links = interfaces.filter((candidate) =>
        zone === undefined ? isOnLink(candidate, from) : candidate.name === zone
      );
      // Off every link of ours: routed, so only link-local addresses can't be meant.
      if (links.length === 0) return !isLinkLocal(address);
      return links.some((link) => holding.includes(link));
    },
  };
}
