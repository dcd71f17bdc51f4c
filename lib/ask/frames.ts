/**
 * Ethernet frames of the questions and of what answers them: ARP (RFC 826), ICMP echo (RFC 792, RFC
 * 4443), TCP (RFC 9293), UDP (RFC 768) and Neighbor Discovery (RFC 4861). Pure; a frame that
 * arrives is anybody's bytes, and reading one never throws. Link-layer addresses are hex texts of
 * twelve digits, so that they compare.
 */
import type { AddressPrefix } from "../wire/addresses.ts";
import { readU32, viewOf } from "../wire/datagram.ts";

/** IEEE 802 numbers of what an Ethernet frame carries. */
export const etherTypes = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
/** IANA's protocol numbers. */
export const protocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
/** Bits of a TCP header's flags. */
export const tcpFlags = { syn: 0x02, rst: 0x04, ack: 0x10 } as const;

/** Bytes of headers without options. */
const lengths = { ethernet: 14, arp: 28, ipv4: 20, ipv6: 40, icmp: 8, tcp: 20, udp: 8 } as const;

export const broadcastMac = "ffffffffffff";

/** An address as a key for comparing: 8 hex digits of IPv4, 32 of IPv6. */
export function addressKey({ family, bytes }: AddressPrefix): string {
  return bytes.subarray(0, family === 4 ? 4 : 16).toHex();
}

/** Where a packet comes from and goes to, on the link and above. */
export interface Way {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly from: AddressPrefix;
  readonly to: AddressPrefix;
}

/** Hop limits of what is sent; Neighbor Discovery must have 255. */
const hopLimit = 64;
const discoveryHopLimit = 255;

/** The 16-bit one's complement sum of RFC 1071 over parts that follow each other. */
function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += part[i] << 8 | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function ethernet(
  { sourceMac, destinationMac }: Pick<Way, "sourceMac" | "destinationMac">,
  type: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(lengths.ethernet + length);
  frame.setFromHex(destinationMac + sourceMac);
  viewOf(frame).setUint16(12, type);
  return frame;
}

/** "Who has `to`? Tell `from`": for IPv4 on Ethernet. */
export function arpRequest({ from, to, ...macs }: Way): Uint8Array<ArrayBuffer> {
  const frame = ethernet(macs, etherTypes.arp, lengths.arp);
  // Hardware Ethernet, protocol IPv4, their lengths, request.
  frame.subarray(14).setFromHex("0001080006040001" + macs.sourceMac);
  frame.set(from.bytes.subarray(0, 4), 28);
  frame.set(to.bytes.subarray(0, 4), 38);
  return frame;
}

/** An IP packet around a payload; the payload's checksum is written at its offset. */
function packet(
  { from, to, ...macs }: Way,
  protocol: number,
  payload: Uint8Array,
  checksumAt: number,
  { ttl = hopLimit, identification = 0 } = {},
): Uint8Array<ArrayBuffer> {
  const isIpv4 = from.family === 4;
  const header = isIpv4 ? lengths.ipv4 : lengths.ipv6;
  const type = isIpv4 ? etherTypes.ipv4 : etherTypes.ipv6;
  const frame = ethernet(macs, type, header + payload.length);
  const ip = frame.subarray(lengths.ethernet);
  const view = viewOf(ip);
  if (isIpv4) {
    ip[0] = 0x45;
    view.setUint16(2, ip.length);
    view.setUint16(4, identification);
    view.setUint16(6, 0x4000); // don't fragment
    ip[8] = ttl;
    ip[9] = protocol;
    ip.set(from.bytes.subarray(0, 4), 12);
    ip.set(to.bytes.subarray(0, 4), 16);
    view.setUint16(10, checksum(ip.subarray(0, header)));
  } else {
    ip[0] = 0x60;
    view.setUint16(4, payload.length);
    ip[6] = protocol;
    ip[7] = ttl;
    ip.set(from.bytes, 8);
    ip.set(to.bytes, 24);
  }
  const body = ip.subarray(header);
  body.set(payload);
  const sum = protocol === protocols.icmp
    ? checksum(body)
    : checksum(ip.subarray(isIpv4 ? 12 : 8, header), pseudoHeader(protocol, body.length), body);
  // UDP sends a sum of zero as its complement: zero would say that there is none.
  viewOf(body).setUint16(checksumAt, sum === 0 && protocol === protocols.udp ? 0xffff : sum);
  return frame;
}

/** What besides the addresses goes into the checksums of both families: length and protocol. */
function pseudoHeader(protocol: number, length: number): Uint8Array {
  return Uint8Array.of(length >> 8, length & 0xff, 0, protocol);
}

/** Numbers of an ICMP echo, and the first bytes of its data: 16 hex digits, fewer if it has fewer. */
interface Echo {
  readonly id: number;
  readonly sequence: number;
  readonly data: string;
}

/** Bytes of an echo's data that are looked at. */
const echoDataLength = 8;

/** An ICMP echo request of either family. */
export function echoRequest(
  way: Way,
  { id, sequence, data }: Echo,
): Uint8Array<ArrayBuffer> {
  const isIpv4 = way.from.family === 4;
  const payload = new Uint8Array(lengths.icmp + data.length / 2);
  payload.subarray(lengths.icmp).setFromHex(data);
  payload[0] = isIpv4 ? 8 : 128;
  viewOf(payload).setUint16(4, id);
  viewOf(payload).setUint16(6, sequence);
  return packet(way, isIpv4 ? protocols.icmp : protocols.icmpv6, payload, 2);
}

/** Ports, numbers and flags of a TCP segment. */
interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
}

/** A TCP segment without data. */
export function tcpSegment(way: Way, segment: Segment): Uint8Array<ArrayBuffer> {
  const { sourcePort, destinationPort, sequence, acknowledgment, flags } = segment;
  const payload = new Uint8Array(lengths.tcp);
  const view = viewOf(payload);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint32(4, sequence);
  view.setUint32(8, acknowledgment);
  payload[12] = lengths.tcp / 4 << 4;
  payload[13] = flags;
  view.setUint16(14, 1024);
  return packet(way, protocols.tcp, payload, 16);
}

/** What an ICMP error quotes of a UDP datagram, that of its IP header among it. */
interface Datagram extends Pick<Segment, "sourcePort" | "destinationPort"> {
  readonly identification: number;
}

/** An empty UDP datagram. */
export function udpDatagram(
  way: Way,
  { sourcePort, destinationPort, identification }: Datagram,
): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(lengths.udp);
  viewOf(payload).setUint16(0, sourcePort);
  viewOf(payload).setUint16(2, destinationPort);
  viewOf(payload).setUint16(4, lengths.udp);
  return packet(way, protocols.udp, payload, 6, { identification });
}

/** "Who has `target`? Tell `from`", with the source's link-layer address (RFC 4861, section 4.3). */
export function neighborSolicitation(
  way: Way,
  target: AddressPrefix,
): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(32);
  payload[0] = 135;
  payload.set(target.bytes, 8);
  payload.set([1, 1], 24);
  payload.subarray(26).setFromHex(way.sourceMac);
  return packet(way, protocols.icmpv6, payload, 2, { ttl: discoveryHopLimit });
}

/** The group that a node with an address listens to (RFC 4291, section 2.7.1), and its MAC (RFC 2464). */
export function solicitedNode({ bytes }: AddressPrefix): Pick<Way, "to" | "destinationMac"> {
  const group = new Uint8Array(16);
  group.set([0xff, 0x02]);
  group.set([0x01, 0xff, ...bytes.subarray(13)], 11);
  return {
    to: { family: 6, length: 128, bytes: group },
    destinationMac: `3333${group.subarray(12).toHex()}`,
  };
}

/** Where a frame came from and went to; addresses as `addressKey` has them. */
interface HeardWay {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly from: string;
  readonly to: string;
}

/** An IP packet's time to live, or hop limit, as it arrived. */
interface HeardPacket extends HeardWay {
  readonly ttl: number;
}

/** A frame that may answer a question. */
export type Heard =
  /** `from` says that it has its address, or asks for `to`. */
  | HeardWay & { readonly kind: "arp reply" | "arp request"; readonly senderMac: string }
  | HeardPacket & { readonly kind: "echo reply" } & Echo
  | HeardPacket & { readonly kind: "tcp" } & Segment
  /** What could not be delivered. */
  | HeardPacket & { readonly kind: "port unreachable" } & Datagram
  /** `target` is the address that is asked for, or told of. */
  | HeardPacket & {
    readonly kind: "neighbor solicitation" | "neighbor advertisement";
    readonly target: string;
  };

/** What a frame says, if it is one that may answer a question and is whole; null for all others. */
export function readFrame(frame: Uint8Array): Heard | null {
  if (frame.length < lengths.ethernet) return null;
  const macs = {
    destinationMac: frame.subarray(0, 6).toHex(),
    sourceMac: frame.subarray(6, 12).toHex(),
  };
  const body = frame.subarray(lengths.ethernet);
  switch (viewOf(frame).getUint16(12)) {
    case etherTypes.arp:
      return readArp(macs, body);
    case etherTypes.ipv4:
      return readIpv4(macs, body);
    case etherTypes.ipv6:
      return readIpv6(macs, body);
    default:
      return null;
  }
}

type Macs = Pick<HeardWay, "sourceMac" | "destinationMac">;

function readArp(macs: Macs, arp: Uint8Array): Heard | null {
  if (arp.length < lengths.arp || readU32(arp, 0) !== 0x00010800) return null;
  const operation = readU32(arp, 4) - 0x06040000;
  if (operation !== 1 && operation !== 2) return null;
  return {
    ...macs,
    kind: operation === 1 ? "arp request" : "arp reply",
    senderMac: arp.subarray(8, 14).toHex(),
    from: arp.subarray(14, 18).toHex(),
    to: arp.subarray(24, 28).toHex(),
  };
}

/**
 * Checksums are not looked at: within a machine, and before a network card has seen it, a packet
 * has none yet.
 */
function readIpv4(macs: Macs, ip: Uint8Array): Heard | null {
  if (ip.length < lengths.ipv4 || ip[0] >> 4 !== 4) return null;
  const header = (ip[0] & 0x0f) * 4;
  const total = viewOf(ip).getUint16(2);
  const isFragment = (viewOf(ip).getUint16(6) & 0x1fff) !== 0;
  if (header < lengths.ipv4 || total < header || total > ip.length || isFragment) return null;
  const way = {
    ...macs,
    from: ip.subarray(12, 16).toHex(),
    to: ip.subarray(16, 20).toHex(),
    ttl: ip[8],
  };
  const body = ip.subarray(header, total);
  if (ip[9] === protocols.tcp) return readTcp(way, body);
  if (ip[9] !== protocols.icmp || body.length < lengths.icmp) return null;
  if (body[0] === 0 && body[1] === 0) return echoReply(way, body);
  // Destination unreachable, port unreachable.
  return body[0] === 3 && body[1] === 3 ? readQuoted(way, body.subarray(lengths.icmp)) : null;
}

function echoReply(way: HeardPacket, body: Uint8Array): Heard {
  const view = viewOf(body);
  const data = body.subarray(lengths.icmp, lengths.icmp + echoDataLength).toHex();
  return { ...way, kind: "echo reply", id: view.getUint16(4), sequence: view.getUint16(6), data };
}

function readTcp(way: HeardPacket, body: Uint8Array): Heard | null {
  if (body.length < lengths.tcp) return null;
  const view = viewOf(body);
  return {
    ...way,
    kind: "tcp",
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: body[13],
  };
}

/** The UDP datagram that an ICMP error quotes, if it went from where the error goes to its sender. */
function readQuoted(way: HeardPacket, quoted: Uint8Array): Heard | null {
  if (quoted.length < lengths.ipv4 || quoted[0] >> 4 !== 4) return null;
  const header = (quoted[0] & 0x0f) * 4;
  const isOurs = header >= lengths.ipv4 && quoted.length >= header + 4 &&
    quoted[9] === protocols.udp && quoted.subarray(12, 16).toHex() === way.to &&
    quoted.subarray(16, 20).toHex() === way.from;
  if (!isOurs) return null;
  const ports = viewOf(quoted.subarray(header));
  return {
    ...way,
    kind: "port unreachable",
    sourcePort: ports.getUint16(0),
    destinationPort: ports.getUint16(2),
    identification: viewOf(quoted).getUint16(4),
  };
}

function readIpv6(macs: Macs, ip: Uint8Array): Heard | null {
  if (ip.length < lengths.ipv6 || ip[0] >> 4 !== 6 || ip[6] !== protocols.icmpv6) return null;
  const length = viewOf(ip).getUint16(4);
  const body = ip.subarray(lengths.ipv6, lengths.ipv6 + length);
  if (body.length < length || length < lengths.icmp) return null;
  const way = {
    ...macs,
    from: ip.subarray(8, 24).toHex(),
    to: ip.subarray(24, 40).toHex(),
    ttl: ip[7],
  };
  if (body[0] === 129) return echoReply(way, body);
  const isDiscovery = (body[0] === 135 || body[0] === 136) && body[1] === 0;
  // One with another hop limit was forwarded (RFC 4861, section 7.1).
  if (!isDiscovery || body.length < 24 || way.ttl !== discoveryHopLimit) return null;
  return {
    ...way,
    kind: body[0] === 135 ? "neighbor solicitation" : "neighbor advertisement",
    target: body.subarray(8, 24).toHex(),
  };
}
