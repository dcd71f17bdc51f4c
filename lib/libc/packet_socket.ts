/** packet(7): a raw socket on one Ethernet link, for frames of whatever kind. */
import { cString, errorReason, type Libc } from "./libc.ts";

/** sys/socket.h, linux/if_packet.h, linux/if_ether.h, poll.h. */
export const packetConstants = {
  AF_PACKET: 17,
  SOCK_RAW: 3,
  SOCK_CLOEXEC: 0x80000,
  SOL_SOCKET: 1,
  SO_RCVBUF: 8,
  SO_ATTACH_FILTER: 26,
  SOL_PACKET: 263,
  PACKET_ADD_MEMBERSHIP: 1,
  PACKET_IGNORE_OUTGOING: 23,
  PACKET_MR_PROMISC: 1,
  ARPHRD_ETHER: 1,
  ETH_P_ALL: 3,
  MSG_DONTWAIT: 0x40,
  POLLIN: 1,
} as const;
const c = packetConstants;

/** struct sockaddr_ll, linux/if_packet.h */
export const sockaddrLl = {
  size: 20,
  sll_family: 0,
  sll_protocol: 2,
  sll_ifindex: 4,
  sll_hatype: 8,
  sll_halen: 11,
  sll_addr: 12,
} as const;
/** struct packet_mreq, linux/if_packet.h */
export const packetMreq = { size: 16, mr_ifindex: 0, mr_type: 4 } as const;
/** struct sock_filter, linux/filter.h */
export const sockFilter = { size: 8, code: 0, jt: 2, jf: 3, k: 4 } as const;
/** struct sock_fprog, linux/filter.h */
export const sockFprog = { size: 16, len: 0, filter: 8 } as const;
/** struct pollfd, poll.h */
export const pollfd = { size: 8, fd: 0, events: 4 } as const;

/** What the kernel doubles and caps at net.core.rmem_max: some thousand small frames. */
const receiveBufferBytes = 4 * 1024 * 1024;
/** Longer frames are cut: what answers a question is shorter. */
const maxFrameBytes = 2048;
/** Frames that are read without letting others run. */
const maxFramesAtOnce = 512;

/** An instruction of a classic BPF program: `jt` and `jf` count instructions to skip. */
export interface FilterInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** An open socket. */
export interface PacketSocket {
  /** The link's own address, 12 hex digits. */
  readonly linkLayerAddress: string;
  /** Gives a frame to the kernel; false if it didn't take it (no room, link down). */
  send(frame: Uint8Array<ArrayBuffer>): boolean;
  /** Resolves when frames have come in, after `ms` at the latest. */
  wait(ms: number): Promise<void>;
  /**
   * Hands on frames that have come in, 512 at most; they are valid until `take` returns. Says whether
   * those were all.
   */
  receive(take: (frame: Uint8Array) => void): boolean;
  /** Closes it as soon as nobody waits in it. */
  close(): Promise<void>;
}

/** Throws an Error of one line if this process may open no packet socket. */
export function checkPacketSockets(libc: Libc): void {
  const fd = libc.socket(c.AF_PACKET, c.SOCK_RAW | c.SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`Cannot open a packet socket: ${errorReason(libc)}`);
  libc.close(fd);
}

/**
 * Opens a socket that hears what a filter takes of a link's incoming frames, other machines' too if it
 * is promiscuous, for as long as it is open; a link that refuses that is heard without. It is bound to
 * a protocol once the filter is attached, so that no other frame gets in. Throws an Error of one line.
 */
export function openPacketSocket(
  libc: Libc,
  link: string,
  filter: readonly FilterInstruction[],
  { promiscuous }: { readonly promiscuous: boolean },
): PacketSocket {
  const cannot = (reason: string) => new Error(`Cannot open a packet socket on ${link}: ${reason}`);
  const fd = libc.socket(c.AF_PACKET, c.SOCK_RAW | c.SOCK_CLOEXEC, 0);
  if (fd < 0) throw cannot(errorReason(libc));
  try {
    const index = libc.if_nametoindex(cString(link));
    if (index === 0) throw cannot("no such device");
    const set = (
      level: number,
      name: number,
      value: Uint8Array<ArrayBuffer>,
      length = value.length,
    ) => libc.setsockopt(fd, level, name, value, length) === 0;
    const program = encodeProgram(libc, filter);
    if (!set(c.SOL_SOCKET, c.SO_ATTACH_FILTER, program, sockFprog.size)) {
      throw cannot(errorReason(libc));
    }
    // Linux before 4.20 has no such option: the asker's own frames are read, and mean nothing.
    set(c.SOL_PACKET, c.PACKET_IGNORE_OUTGOING, intBytes(1));
    set(c.SOL_SOCKET, c.SO_RCVBUF, intBytes(receiveBufferBytes));
    if (promiscuous) set(c.SOL_PACKET, c.PACKET_ADD_MEMBERSHIP, encodeMembership(index));
    const address = encodeAddress(index);
    if (libc.bind(fd, address, address.length) !== 0) throw cannot(errorReason(libc));
    if (libc.getsockname(fd, address, intBytes(address.length)) !== 0) {
      throw cannot(errorReason(libc));
    }
    const own = decodeAddress(address);
    if (own === null) throw cannot("it is no Ethernet link");
    return new OpenSocket(libc, fd, own);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

class OpenSocket implements PacketSocket {
  readonly #buffer = new Uint8Array(maxFrameBytes);
  readonly #polled: Uint8Array<ArrayBuffer>;
  #polling: Promise<unknown> | null = null;
  #isOpen = true;

  constructor(readonly libc: Libc, readonly fd: number, readonly linkLayerAddress: string) {
    this.#polled = new Uint8Array(pollfd.size);
    const view = new DataView(this.#polled.buffer);
    view.setInt32(pollfd.fd, fd, true);
    view.setInt16(pollfd.events, c.POLLIN, true);
  }

  send(frame: Uint8Array<ArrayBuffer>) {
    const { libc, fd } = this;
    return this.#isOpen && libc.send(fd, frame, BigInt(frame.length), c.MSG_DONTWAIT) >= 0;
  }

  async wait(ms: number) {
    if (!this.#isOpen) return;
    this.#polling ??= this.libc.poll(this.#polled, 1n, Math.ceil(ms));
    await this.#polling;
    this.#polling = null;
  }

  receive(take: (frame: Uint8Array) => void) {
    const { libc, fd } = this;
    for (let i = 0; i < maxFramesAtOnce && this.#isOpen; i++) {
      const length = libc.recv(fd, this.#buffer, BigInt(maxFrameBytes), c.MSG_DONTWAIT);
      if (length < 0) return true;
      take(this.#buffer.subarray(0, length));
    }
    return !this.#isOpen;
  }

  async close() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // The number of a closed file is another's soon; whoever waits in it would wait in that one.
    await this.#polling;
    this.libc.close(this.fd);
  }
}

function intBytes(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Int32Array.of(value).buffer);
}

/** A program's header, which points to the instructions behind it in the same memory. */
function encodeProgram(
  libc: Libc,
  instructions: readonly FilterInstruction[],
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sockFprog.size + instructions.length * sockFilter.size);
  const view = new DataView(bytes.buffer);
  const address = libc.addressOf(bytes, bytes, 0n) + BigInt(sockFprog.size);
  view.setUint16(sockFprog.len, instructions.length, true);
  view.setBigUint64(sockFprog.filter, address, true);
  instructions.forEach(({ code, jt, jf, k }, i) => {
    const at = sockFprog.size + i * sockFilter.size;
    view.setUint16(at + sockFilter.code, code, true);
    view.setUint8(at + sockFilter.jt, jt);
    view.setUint8(at + sockFilter.jf, jf);
    view.setUint32(at + sockFilter.k, k, true);
  });
  return bytes;
}

function encodeMembership(index: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(packetMreq.size);
  const view = new DataView(bytes.buffer);
  view.setInt32(packetMreq.mr_ifindex, index, true);
  view.setUint16(packetMreq.mr_type, c.PACKET_MR_PROMISC, true);
  return bytes;
}

function encodeAddress(index: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sockaddrLl.size);
  const view = new DataView(bytes.buffer);
  view.setUint16(sockaddrLl.sll_family, c.AF_PACKET, true);
  view.setUint16(sockaddrLl.sll_protocol, c.ETH_P_ALL); // in network order
  view.setInt32(sockaddrLl.sll_ifindex, index, true);
  return bytes;
}

/** The link-layer address in a bound socket's name; null if it isn't Ethernet's. */
function decodeAddress(bytes: Uint8Array<ArrayBuffer>): string | null {
  const type = new DataView(bytes.buffer).getUint16(sockaddrLl.sll_hatype, true);
  const isEthernet = type === c.ARPHRD_ETHER && bytes[sockaddrLl.sll_halen] === 6;
  const { sll_addr: at } = sockaddrLl;
  return isEthernet ? bytes.subarray(at, at + 6).toHex() : null;
}
