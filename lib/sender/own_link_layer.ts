/** Whose a link-layer address is that a host reports: this router's own, or another's. */
import {
  type AddressPrefix,
  isLinkLocal,
  type OwnAddress,
  type OwnInterface,
  parseLinkLayerAddress,
  samePrefix,
} from "../wire/addresses.ts";

/** Whether a link-layer address in hex is a virtual router's (RFC 9568, section 7.3). */
function isVirtual(linkLayerAddress: string): boolean {
  return /^00005e000[12]/.test(linkLayerAddress);
}

/** Whether an interface has the link-layer address of a virtual router. */
export function isVirtualRouters({ linkLayerAddress }: OwnInterface): boolean {
  return linkLayerAddress !== null && isVirtual(linkLayerAddress.toHex());
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

/** Where Linux tells about interfaces, those of the network namespace that it was mounted in. */
const sysfs = "/sys/class/net";

/** The link-layer addresses in hex of all interfaces by their names; empty if they can't be read. */
function readLinkLayerAddresses(): ReadonlyMap<string, string> {
  const all = new Map<string, string>();
  if (Deno.build.os !== "linux") return all;
  try {
    for (const { name } of Deno.readDirSync(sysfs)) {
      const bytes = parseLinkLayerAddress(readLine(`${sysfs}/${name}/address`));
      if (bytes?.some(Boolean)) all.set(name, bytes.toHex());
    }
  } catch {
    // Not mounted, or not permitted.
  }
  return all;
}

/** Whether an interface of this machine is a port of a bridge or a bond. */
export function isPort({ name, linkLayerAddress }: OwnInterface): boolean {
  if (Deno.build.os !== "linux" || linkLayerAddress === null) return false;
  const told = parseLinkLayerAddress(readLine(`${sysfs}/${name}/address`));
  if (told?.toHex() !== linkLayerAddress.toHex()) return false;
  return ["brport", "bonding_slave"].some((folder) => {
    try {
      return Deno.statSync(`${sysfs}/${name}/${folder}`).isDirectory;
    } catch {
      return false;
    }
  });
}

/** Empty if the file is gone, or never was: bonding_masters is no interface. */
function readLine(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return "";
  }
}

/**
 * Tells whether a link-layer address is one of this machine's own, on any interface; null for one
 * that isn't known, if the interface that holds the address has one that the system doesn't tell: all
 * its addresses have labels. For the first that isn't known `readAll` is asked, which knows interfaces
 * without an IP address as well: a host may have a bond's address at the one of a port. A virtual
 * router's interface without one is a backup's.
 */
export function ownLinkLayerAddresses(
  interfaces: readonly OwnInterface[],
  readAll = readLinkLayerAddresses,
): (linkLayerAddress: Uint8Array, address: AddressPrefix) => boolean | null {
  const untold = interfaces.filter((own) => own.hasNeighbors && own.linkLayerAddress === null);
  const isUntold = (address: AddressPrefix) =>
    untold.some(({ addresses }) => addresses.some((own) => samePrefix(own.address, address)));
  const own = new Set(
    interfaces.filter((one) => !isBackups(one, interfaces))
      .flatMap(({ linkLayerAddress }) => linkLayerAddress?.toHex() ?? []),
  );
  const told = interfaces.filter((one) => one.hasNeighbors && one.linkLayerAddress !== null);
  let all: ReadonlyMap<string, string> | undefined;
  /** Whether what was read is about this machine's interfaces, not another namespace's. */
  let isOfThese = false;
  return (linkLayerAddress, address) => {
    const text = linkLayerAddress.toHex();
    if (own.has(text)) return true;
    if (all === undefined) {
      const read = all = readAll();
      isOfThese = read.size > 0 &&
        told.every((one) => read.get(one.name) === one.linkLayerAddress?.toHex());
      for (const [name, one] of isOfThese ? read : []) {
        if (!isVirtual(one) || untold.some((labels) => labels.name === name)) own.add(one);
      }
    }
    if (own.has(text)) return true;
    return isUntold(address) && (!isOfThese || isVirtual(text)) ? null : false;
  };
}
