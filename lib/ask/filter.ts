/**
 * The kernel's filter of an asker's socket, a classic BPF program: without it a flood of foreign
 * packets would be copied to this process. It takes untagged frames for the addresses in question
 * and the control: ARP, ICMP, TCP and ICMPv6, whatever link-layer address they were sent to.
 */
import type { FilterInstruction } from "../libc/packet_socket.ts";
import type { AddressPrefix } from "../wire/addresses.ts";
import { readU32 } from "../wire/datagram.ts";
import { etherTypes, protocols } from "./frames.ts";

/** Codes of linux/bpf_common.h: class, size and mode in one. */
const ldWord = 0x20;
const ldHalf = 0x28;
const ldByte = 0x30;
const jumpAlways = 0x05;
const jumpIfEqual = 0x15;
const ret = 0x06;

/** SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT: the kernel takes the tag out of the frame. */
const vlanTagPresent = 0xfffff000 + 48;
/** More than any frame. */
const wholeFrame = 0x40000;

/** BPF_MAXINSNS */
const maxInstructions = 4096;

const load = (code: number, k: number): FilterInstruction => ({ code, jt: 0, jf: 0, k });
const jump = (k: number) => load(jumpAlways, k);
const accept = load(ret, wholeFrame);
const drop = load(ret, 0);
/** The next instruction if the accumulator is `k`, else the one after it. */
const unlessEqualSkip = (k: number): FilterInstruction => ({ code: jumpIfEqual, jt: 0, jf: 1, k });
/** Drops the frame unless the accumulator is one of these. */
const oneOf = (...values: readonly number[]) => [
  ...values.flatMap((k, i) => [unlessEqualSkip(k), jump(2 * (values.length - 1 - i) + 1)]),
  drop,
];
/** Skips a block unless the accumulator is `k`. */
const onlyIf = (k: number, block: readonly FilterInstruction[]) => [
  { code: jumpIfEqual, jt: 1, jf: 0, k },
  jump(block.length),
  ...block,
];
/** Leaves the type of an untagged frame in the accumulator. */
const typeOfUntagged = [load(ldByte, vlanTagPresent), ...oneOf(0), load(ldHalf, 12)];

/**
 * The program for these addresses, with two instructions for each. IPv6 addresses are told apart by
 * their last four bytes; who reads the frames looks at the rest. Throws a RangeError for more addresses
 * than a program may be long.
 */
export function filterProgram(addresses: readonly AddressPrefix[]): FilterInstruction[] {
  const matches = (family: 4 | 6) => {
    const words = addresses.filter((address) => address.family === family)
      .map(({ bytes }) => readU32(bytes, family === 4 ? 0 : 12));
    return [...new Set(words)].flatMap((word) => [unlessEqualSkip(word), accept]).concat(drop);
  };
  // Offsets from the frame's start: protocol, destination; target protocol address.
  const ipv6 = [load(ldByte, 20), ...oneOf(protocols.icmpv6), load(ldWord, 50), ...matches(6)];
  const ipv4 = [
    ...oneOf(etherTypes.ipv4),
    load(ldByte, 23),
    ...oneOf(protocols.icmp, protocols.tcp),
    load(ldWord, 30),
  ];
  const program = [
    ...typeOfUntagged,
    ...onlyIf(etherTypes.ipv6, ipv6),
    // ARP and IPv4 share the matches.
    ...onlyIf(etherTypes.arp, [load(ldWord, 38), jump(ipv4.length)]),
    ...ipv4,
    ...matches(4),
  ];
  if (program.length > maxInstructions) {
    throw new RangeError(`Cannot filter by ${addresses.length} addresses`);
  }
  return program;
}

/** The program that takes every untagged ARP packet. */
export function arpFilterProgram(): FilterInstruction[] {
  return [...typeOfUntagged, ...oneOf(etherTypes.arp), accept];
}
