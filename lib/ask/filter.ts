/**
 * The kernel's filter of an asker's socket, a classic BPF program: without it a flood of foreign
 * packets would be copied to this process. It takes untagged frames for the addresses in question
 * and the control: ARP, ICMP, TCP and ICMPv6, whatever link-layer address they were sent to.
 */
import type { AddressPrefix } from "../wire/addresses.ts";
import { readU32 } from "../wire/datagram.ts";
import { etherTypes, protocols } from "./frames.ts";

/** One instruction, as linux/filter.h has it: `jt` and `jf` count instructions to skip. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

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

const load = (code: number, k: number): Instruction => ({ code, jt: 0, jf: 0, k });
/** The next instruction if the accumulator is `k`, else the one after it. */
const unlessEqualSkip = (k: number): Instruction => ({ code: jumpIfEqual, jt: 0, jf: 1, k });
const jump = (k: number) => load(jumpAlways, k);
const accept = load(ret, wholeFrame);
const drop = load(ret, 0);

/**
 * The program for these addresses, with two instructions for each. IPv6 addresses are told apart by
 * their last four bytes; who reads the frames looks at the rest. Throws a RangeError for more addresses
 * than a program may be long (BPF_MAXINSNS).
 */
export function filterProgram(addresses: readonly AddressPrefix[]): Instruction[] {
  const matches = (family: 4 | 6) => {
    const words = addresses.filter((address) => address.family === family)
      .map(({ bytes }) => readU32(bytes, family === 4 ? 0 : 12));
    return [...new Set(words)].flatMap((word) => [unlessEqualSkip(word), accept]).concat(drop);
  };
  const [ipv4, ipv6] = [matches(4), matches(6)];
  // Offsets from the frame's start: target protocol address, protocol, destination.
  const ip = [
    load(ldByte, 23),
    unlessEqualSkip(protocols.icmp),
    jump(3),
    unlessEqualSkip(protocols.tcp),
    jump(1),
    drop,
    load(ldWord, 30),
  ];
  // On to the matches of IPv4's destinations.
  const arp = [load(ldWord, 38), jump(ip.length)];
  const ip6 = [
    load(ldByte, 20),
    unlessEqualSkip(protocols.icmpv6),
    jump(1),
    drop,
    load(ldWord, 50),
    ...ipv6,
  ];
  const blocks = [arp, [...ip, ...ipv4], ip6];
  const types = [etherTypes.arp, etherTypes.ipv4, etherTypes.ipv6];
  const head = [load(ldByte, vlanTagPresent), unlessEqualSkip(0), jump(1), drop, load(ldHalf, 12)];
  let before = 0;
  blocks.forEach((block, i) => {
    // Behind this jump come the heads of later types, the drop, and the blocks before.
    head.push(unlessEqualSkip(types[i]), jump(2 * (blocks.length - 1 - i) + 1 + before));
    before += block.length;
  });
  const program = [...head, drop, ...blocks.flat()];
  if (program.length > maxInstructions) {
    throw new RangeError(`Cannot filter by ${addresses.length} addresses`);
  }
  return program;
}

/** The program that takes every untagged ARP packet. */
export function arpFilterProgram(): Instruction[] {
  return [
    load(ldByte, vlanTagPresent),
    unlessEqualSkip(0),
    jump(1),
    drop,
    load(ldHalf, 12),
    unlessEqualSkip(etherTypes.arp),
    accept,
    drop,
  ];
}

/** BPF_MAXINSNS */
const maxInstructions = 4096;
