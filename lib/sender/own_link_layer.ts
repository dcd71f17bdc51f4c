/** Whose a link-layer address is that a host reports: this router's own, or another's. */
import {
  type AddressPrefix,
  isLinkLocal,
  isWholeAddress,
  type OwnAddress,
  type OwnInterface,
  parseAddress,
  prefixContains,
  samePrefix,
  withoutZone,
} from "../wire/addresses.ts";

/** Whether an interface has the link-layer address of a virtual router (RFC 9568, section 7.3). */
export function isVirtualRouters(
  { linkLayerAddress }: Pick<OwnInterface, "linkLayerAddress">,
): boolean {
  return linkLayerAddress !== null && /^00005e000[12]/.test(linkLayerAddress.toHex());
}

/**
 * Whether an interface is a virtual router's that another router speaks for now. keepalived leaves it
 * up, with the link-local address of the interface below at most, and its link-layer address leads to
 * the master.
 */
function isBackups(own: OwnInterface, interfaces: readonly OwnInterface[]): boolean {
  const others = interfaces.filter((other) => !isVirtualRouters(other));
  const isBelow = ({ address }: OwnAddress) =>
    isLinkLocal(address) &&
    others.some(({ addresses }) => addresses.some((one) => samePrefix(one.address, address)));
  return isVirtualRouters(own) && own.addresses.every(isBelow);
}

/** Own link-layer addresses that the runtime doesn't tell: see own_ports.ts. */
export interface LearnedAddresses {
  /** In hex digits. */
  readonly known: Set<string>;
  /** There may be others: they could not be looked up. */
  failed: boolean;
}

/** Where a host is, as far as its answers say. */
export interface HostPlace {
  /** Numbers of the links on which it was asked and answered; others for hosts that were named. */
  readonly links: ReadonlySet<number>;
  /** Those it answered from. */
  readonly addresses: Iterable<string>;
}

/** The interfaces on each link, by its number. */
type Links = readonly (readonly OwnInterface[])[];

/** The numbers of the links with an address: in one of their networks, or held by itself there. */
function linksWith(links: Links, address: AddressPrefix): number[] {
  const isOn = (own: OwnInterface) =>
    own.addresses.some((held) =>
      isLinkLocal(address) || isWholeAddress(held.network)
        ? samePrefix(held.address, address)
        : prefixContains(held.network, address)
    );
  return [...links.keys()].filter((number) => links[number].some(isOn));
}

/**
 * The numbers of the links that an interface is on, as far as that is told. A virtual router's is on
 * that of another one: on any that has its addresses. One with link-local addresses alone may be a
 * bridge's port.
 */
function linksOf(links: Links, own: OwnInterface): number[] {
  if (own.addresses.every(({ address }) => isLinkLocal(address))) return [];
  return isVirtualRouters(own)
    ? own.addresses.flatMap(({ address }) => linksWith(links, address))
    : [...links.keys()].filter((number) => links[number].includes(own));
}

/**
 * Whether interfaces of this machine may be on the link that a host's route to an address takes. An
 * interface that isn't among the links may be on any, and a host with several interfaces may be on a
 * link on which nothing of it was heard.
 */
function isOnRoute(
  holders: readonly OwnInterface[],
  links: Links,
  place: HostPlace,
  address: AddressPrefix,
): boolean {
  const of = holders.map((holder) => linksOf(links, holder));
  const isNamed = [...place.links].some((number) => number >= links.length);
  const from = [...place.addresses].flatMap((text) => parseAddress(withoutZone(text)) ?? []);
  const near = isNamed ? from.flatMap((one) => linksWith(links, one)) : [...place.links];
  if (near.length === 0 || of.some((numbers) => numbers.length === 0)) return true;
  const leading = linksWith(links, address);
  const isAny = (wanted: readonly number[]) => of.flat().some((number) => wanted.includes(number));
  return leading.length === 0 || isAny(leading) ||
    isAny(near) && !leading.some((number) => near.includes(number));
}

/**
 * Tells whether a link-layer address, at which a host has one of this router's addresses, is this
 * machine's own. With the host's place it must be that of an interface that may be on the link by which the
 * host reaches the address. Null if it can't be told:
 * - the system doesn't tell the link-layer address of an interface whose addresses all have labels, and
 *   that interface may answer for every address that no other one holds;
 * - those of bridge and bond ports could not be looked up (`learned`, which may change).
 */
export function ownLinkLayerAddresses(
  interfaces: readonly OwnInterface[],
  learned: LearnedAddresses = { known: new Set(), failed: false },
  links: Links = [],
): (linkLayerAddress: Uint8Array, address: AddressPrefix, place?: HostPlace) => boolean | null {
  const told = interfaces.filter(({ linkLayerAddress }) => linkLayerAddress !== null);
  const isAnyUntold = interfaces.some((own) => own.hasNeighbors && !told.includes(own));
  const isUntold = (address: AddressPrefix) =>
    isAnyUntold && learned.known.size === 0 &&
    !told.some(({ addresses }) => addresses.some((own) => samePrefix(own.address, address)));
  const own = Map.groupBy(
    told.filter((one) => !isBackups(one, interfaces)),
    ({ linkLayerAddress }) => linkLayerAddress?.toHex() ?? "",
  );
  return (linkLayerAddress, address, place) => {
    const holders = own.get(linkLayerAddress.toHex());
    if (holders !== undefined) {
      return place === undefined || isOnRoute(holders, links, place, address);
    }
    if (learned.known.has(linkLayerAddress.toHex())) return true;
    const isUnlearned = learned.failed && !isVirtualRouters({ linkLayerAddress });
    return isUnlearned || isUntold(address) ? null : false;
  };
}
