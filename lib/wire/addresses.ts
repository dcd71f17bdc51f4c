/**
 * Internet addresses and prefixes between text, bytes and sets. IPv4 lives in the first four of 16
 * bytes, the rest zero, as the datagrams carry it. Pure: no sockets, nothing of ours.
 */

/** An address (length 32 or 128) or a prefix. `bytes` has 16 bytes and is never changed. */
export interface AddressPrefix {
  readonly family: 4 | 6;
  /** Prefix length in bits: at most 32 for family 4, 128 for family 6. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

/**
 * A prefix from its first bytes, for constants: nothing is parsed, which would cost the sender more
 * than a millisecond before its first datagram. Bytes not given are 0.
 */
export function prefixOf(family: 4 | 6, length: number, ...first: number[]): AddressPrefix {
  const bytes = new Uint8Array(16);
  bytes.set(first);
  return { family, length, bytes };
}

/** Bits in a whole address of a family. */
export function addressBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** Whether a prefix names one single address. */
export function isWholeAddress(prefix: AddressPrefix): boolean {
  return prefix.length === addressBits(prefix.family);
}

const ipv4Text = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

function parseIpv4(text: string): Uint8Array | null {
  const match = ipv4Text.exec(text);
  if (match === null) return null;
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 4; i++) {
    const octet = Number(match[i + 1]);
    if (octet > 255) return null;
    bytes[i] = octet;
  }
  return bytes;
}

/** The URL standard's own parser checks the text; what it returns is canonical and easy to expand. */
function parseIpv6(text: string): Uint8Array | null {
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(text) || !text.includes(":")) return null;
  const url = URL.parse(`http://[${text}]/`);
  if (url === null) return null;
  const [head, tail] = url.hostname.slice(1, -1).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [...left, ...Array(8 - left.length - right.length).fill("0"), ...right];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    const value = parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 0xff;
  });
  return bytes;
}

/**
 * One address, IPv4 in dotted decimal without leading zeros or IPv6 in any form of RFC 4291; null
 * for anything else, zone ids (`%eth0`) included. An IPv4-mapped IPv6 address becomes IPv4.
 */
export function parseAddress(text: string): AddressPrefix | null {
  const ipv4 = parseIpv4(text);
  if (ipv4 !== null) return { family: 4, length: 32, bytes: ipv4 };
  const ipv6 = parseIpv6(text);
  return ipv6 === null ? null : unmapIpv4({ family: 6, length: 128, bytes: ipv6 });
}

/** An IPv4-mapped address (`::ffff:192.0.2.1`, what a dual-stack socket names as source) as IPv4. */
export function unmapIpv4(address: AddressPrefix): AddressPrefix {
  const { length, bytes } = address;
  if (length !== addressBits(6)) return address;
  if (bytes[10] !== 0xff || bytes[11] !== 0xff || bytes.subarray(0, 10).some(Boolean)) {
    return address;
  }
  const ipv4 = new Uint8Array(16);
  ipv4.set(bytes.subarray(12));
  return { family: 4, length: 32, bytes: ipv4 };
}

/**
 * An address or a prefix (`192.0.2.0/24`, `2001:db8::/64`). Throws an Error whose message names the
 * text and what is wrong with it, a prefix with host bits set included.
 */
export function parsePrefix(text: string): AddressPrefix {
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === null) throw new Error(`"${text}" is not an IPv4 or IPv6 address or prefix`);
  if (slash < 0) return address;
  const lengthText = text.slice(slash + 1);
  const length = /^(0|[1-9]\d{0,2})$/.test(lengthText) ? Number(lengthText) : NaN;
  const bits = addressBits(address.family);
  if (!(length <= bits)) throw new Error(`"${text}" has a prefix length outside 0 to ${bits}`);
  const network = maskedBytes(address.bytes, length);
  const prefix: AddressPrefix = { family: address.family, length, bytes: network };
  if (hasHostBits({ ...prefix, bytes: address.bytes })) {
    throw new Error(`"${text}" has host bits set; the network is ${formatPrefix(prefix)}`);
  }
  return prefix;
}

function maskedBytes(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.map((byte, i) => byte & networkMask(length, i));
}

/** The network mask's byte at an index, for a prefix length in bits. */
function networkMask(length: number, index: number): number {
  const bits = Math.min(8, Math.max(0, length - 8 * index));
  return (0xff << (8 - bits)) & 0xff;
}

/** Whether any bit behind the prefix length is set, IPv4's twelve unused bytes included. */
export function hasHostBits(prefix: AddressPrefix): boolean {
  return prefix.bytes.some((byte, i) => (byte & ~networkMask(prefix.length, i)) !== 0);
}

/** The network that an address with a prefix length belongs to. */
export function networkOf(address: AddressPrefix, length: number): AddressPrefix {
  return { family: address.family, length, bytes: maskedBytes(address.bytes, length) };
}

/** Whether a prefix holds an address (or a longer prefix). */
export function prefixContains(prefix: AddressPrefix, address: AddressPrefix): boolean {
  if (prefix.family !== address.family || prefix.length > address.length) return false;
  for (let i = 0; 8 * i < prefix.length; i++) {
    if (((prefix.bytes[i] ^ address.bytes[i]) & networkMask(prefix.length, i)) !== 0) return false;
  }
  return true;
}

/** Same family, length and bytes. */
export function samePrefix(a: AddressPrefix, b: AddressPrefix): boolean {
  return a.length === b.length && prefixContains(a, b);
}

/** The address part as text: dotted decimal, or IPv6 as RFC 5952 wants it. */
export function formatAddress(prefix: AddressPrefix): string {
  const { family, bytes } = prefix;
  if (family === 4) return bytes.subarray(0, 4).join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i] << 8 | bytes[i + 1]).toString(16));
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

/** Address and length as text; the length is left out for a whole address. */
export function formatPrefix(prefix: AddressPrefix): string {
  const address = formatAddress(prefix);
  return isWholeAddress(prefix) ? address : `${address}/${prefix.length}`;
}

/** An Ethernet address (6 bytes) as `02:00:00:00:00:01`. */
export function formatLinkLayerAddress(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/**
 * An Ethernet address from `02:00:00:00:00:01` or `02-00-00-00-00-01`, either case; null for
 * anything else, longer link-layer addresses included.
 */
export function parseLinkLayerAddress(text: string): Uint8Array | null {
  if (!/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/.test(text)) return null;
  return Uint8Array.fromHex(text.replaceAll(/[:-]/g, ""));
}

const loopback = [prefixOf(4, 8, 127), prefixOf(6, 128, ...Array(15).fill(0), 1)];
const linkLocal = prefixOf(6, 10, 0xfe, 0x80);

/** Whether an address never leaves its machine: 127.0.0.0/8 and ::1. */
export function isLoopback(address: AddressPrefix): boolean {
  return loopback.some((network) => prefixContains(network, address));
}

/** Whether an address is meant on one link only: fe80::/10. */
export function isLinkLocal(address: AddressPrefix): boolean {
  return prefixContains(linkLocal, address);
}

/** An address of this machine. */
export interface OwnAddress {
  readonly address: AddressPrefix;
  /** Its network on the link; of length 32 or 128 for an address added without one, as VIPs are. */
  readonly network: AddressPrefix;
}

/** An interface of this machine, with at least one address. */
export interface OwnInterface {
  readonly name: string;
  /** 6 bytes; null if there is none or the system doesn't tell. */
  readonly linkLayerAddress: Uint8Array | null;
  /** Whether hosts on its link are found by ARP or Neighbor Discovery: not on loopback or a tunnel. */
  readonly hasNeighbors: boolean;
  readonly addresses: readonly OwnAddress[];
}

/** The fields of a `Deno.NetworkInterfaceInfo` that are read here. */
export type InterfaceInfo = Pick<Deno.NetworkInterfaceInfo, "name" | "address" | "cidr" | "mac">;

/** The text of an address without its zone: `fe80::1` of `fe80::1%eth0`. */
export function withoutZone(text: string): string {
  return text.replace(/%.*$/, "");
}

/** One line of `Deno.networkInterfaces()`, its zone left out; null without a prefix length. */
export function parseOwnAddress(
  { address: text, cidr }: Pick<InterfaceInfo, "address" | "cidr">,
): OwnAddress | null {
  const address = parseAddress(withoutZone(text));
  const length = /\/(\d{1,3})$/.exec(cidr)?.[1];
  if (address === null || !(Number(length) <= address.length)) return null;
  return { address, network: networkOf(address, Number(length)) };
}

/**
 * The interfaces behind the lines of `Deno.networkInterfaces()`. An interface without a link-layer
 * address is a tunnel, unless all its lines are labels, which Linux lists without one.
 */
export function ownInterfaces(infos: readonly InterfaceInfo[]): OwnInterface[] {
  // Linux lists an address with a label under it (`eth0:vip`).
  const byInterface = Map.groupBy(infos, ({ name }) => name.split(":")[0]);
  return Array.from(byInterface, ([name, lines]) => {
    const addresses = lines.map(parseOwnAddress).filter((own) => own !== null);
    const linkLayerAddress = lines.map(({ mac }) =>
      parseLinkLayerAddress(mac)
    ).find((bytes) => bytes?.some(Boolean)) ?? null;
    const labelsOnly = lines.every((line) => line.name !== name);
    const hasNeighbors = (linkLayerAddress !== null || labelsOnly) &&
      !addresses.some(({ address }) => isLoopback(address));
    return { name, linkLayerAddress, hasNeighbors, addresses };
  });
}
