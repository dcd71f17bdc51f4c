/** This machine's network interfaces as the sender needs them, from `Deno.networkInterfaces()`. */
import {
  addressBits,
  type AddressPrefix,
  networkOf,
  parseAddress,
  prefixContains,
  prefixOf,
} from "../wire/ip_address.ts";
import { parseLinkLayerAddress } from "../wire/link_layer_address.ts";

/** An address that an interface holds, and the network it is in there. */
export interface HeldAddress {
  readonly address: AddressPrefix;
  /** Of length 32 or 128 for a virtual address added without a network. */
  readonly network: AddressPrefix;
}

/** One interface with at least one address. */
export interface NetworkInterface {
  readonly name: string;
  /** 6 bytes; null if there is none or it isn't known. */
  readonly linkLayerAddress: Uint8Array | null;
  /** Hosts on its link are found by ARP or Neighbor Discovery: no loopback, no tunnel. */
  readonly hasNeighbors: boolean;
  readonly addresses: readonly HeldAddress[];
}

/** What of `Deno.NetworkInterfaceInfo` is looked at. */
export type InterfaceInfo = Pick<Deno.NetworkInterfaceInfo, "name" | "address" | "cidr" | "mac">;

/** 127.0.0.0/8 and ::1 */
const loopbacks = [prefixOf(4, 8, 127), prefixOf(6, 128, ...Array(15).fill(0), 1)];

/** Whether an address never leaves this machine. */
export function isLoopback(address: AddressPrefix): boolean {
  return loopbacks.some((prefix) => prefixContains(prefix, address));
}

function heldAddress({ address: text, cidr }: InterfaceInfo): HeldAddress | null {
  const address = parseAddress(text.replace(/%.*$/, ""));
  if (address === null) return null;
  const length = Number(cidr.slice(cidr.lastIndexOf("/") + 1));
  const bits = addressBits(address.family);
  const isLength = Number.isInteger(length) && length >= 0 && length <= bits;
  return { address, network: networkOf(address, isLength ? length : bits) };
}

function knownLinkLayerAddress(infos: readonly InterfaceInfo[]): Uint8Array | null {
  for (const { mac } of infos) {
    const bytes = parseLinkLayerAddress(mac);
    if (bytes?.some(Boolean)) return bytes;
  }
  return null;
}

/**
 * The interfaces behind a list of addresses. On Linux an address with a label (`eth0:vip`, as
 * keepalived can set them) is listed under its label and without a link-layer address; it belongs
 * to the interface before the colon. An interface without a link-layer address is a tunnel, unless
 * all that is listed of it are such labels: then its link-layer address is just not known.
 */
export function groupInterfaces(infos: readonly InterfaceInfo[]): NetworkInterface[] {
  const byName = Map.groupBy(infos, ({ name }) => name.split(":")[0]);
  return Array.from(byName, ([name, own]) => {
    const addresses = own.map(heldAddress).filter((held) => held !== null);
    const linkLayerAddress = knownLinkLayerAddress(own);
    const labelled = own.every((info) => info.name !== name);
    const loopback = addresses.some(({ address }) => isLoopback(address));
    const hasNeighbors = !loopback && (linkLayerAddress !== null || labelled);
    return { name, linkLayerAddress, hasNeighbors, addresses };
  });
}
