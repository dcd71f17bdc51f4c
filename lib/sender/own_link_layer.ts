/** Whose a link-layer address is that a host reports: this router's own, or another's. */
import {
  type AddressPrefix,
  isLinkLocal,
  type OwnAddress,
  type OwnInterface,
  samePrefix,
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

/**
 * Tells whether a link-layer address is one of this machine's own, on any interface. Null for one that
 * isn't known, if there is an interface whose own the system doesn't tell, since all its addresses
 * have labels, and no other interface holds the address: that one may answer for what is on lo, too.
 * `learned`, in hex digits, may grow: see `readOwnLinkLayerAddresses`.
 */
export function ownLinkLayerAddresses(
  interfaces: readonly OwnInterface[],
  learned: ReadonlySet<string> = new Set(),
): (linkLayerAddress: Uint8Array, address: AddressPrefix) => boolean | null {
  const told = interfaces.filter(({ linkLayerAddress }) => linkLayerAddress !== null);
  const isAnyUntold = interfaces.some((own) => own.hasNeighbors && !told.includes(own));
  const isUntold = (address: AddressPrefix) =>
    isAnyUntold && learned.size === 0 &&
    !told.some(({ addresses }) => addresses.some((own) => samePrefix(own.address, address)));
  const own = new Set(
    interfaces.filter((one) => !isBackups(one, interfaces))
      .flatMap(({ linkLayerAddress }) => linkLayerAddress?.toHex() ?? []),
  );
  return (linkLayerAddress, address) =>
    own.has(linkLayerAddress.toHex()) || learned.has(linkLayerAddress.toHex()) ||
    (isUntold(address) ? null : false);
}
