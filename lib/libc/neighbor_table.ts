/** rtnetlink(7): the kernel's neighbor table. It needs no privilege. */
import { errorReason, type Libc } from "./libc.ts";
import { packetConstants } from "./packet_socket.ts";

/** linux/netlink.h, linux/rtnetlink.h, linux/neighbour.h, sys/socket.h. */
export const netlinkConstants = {
  AF_NETLINK: 16,
  AF_INET: 2,
  AF_INET6: 10,
  NETLINK_ROUTE: 0,
  NLM_F_REQUEST: 1,
  NLM_F_DUMP: 0x300,
  NLMSG_ERROR: 2,
  NLMSG_DONE: 3,
  RTM_NEWNEIGH: 28,
  RTM_GETNEIGH: 30,
  NDA_DST: 1,
  NDA_LLADDR: 2,
  NUD_INCOMPLETE: 0x01,
  NUD_FAILED: 0x20,
  NUD_NOARP: 0x40,
} as const;
const c = netlinkConstants;

/** struct nlmsghdr, linux/netlink.h */
export const nlmsghdr = { size: 16, nlmsg_len: 0, nlmsg_type: 4, nlmsg_flags: 6 } as const;
/** struct ndmsg, linux/neighbour.h */
export const ndmsg = { size: 12, ndm_family: 0, ndm_ifindex: 4, ndm_state: 8 } as const;
/** struct rtattr, linux/rtnetlink.h */
export const rtattr = { size: 4, rta_len: 0, rta_type: 2 } as const;

/** A neighbor that the kernel has a link-layer address of. */
interface KernelNeighbor {
  readonly family: 4 | 6;
  readonly interfaceIndex: number;
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  /** 12 hex digits. */
  readonly linkLayerAddress: string;
}

/** The kernel sends a dump in parts of at most this (netlink(7): 8 KiB, up to 32 since 4.9). */
const partBytes = 64 * 1024;
/** Parts that are read of a table: tens of thousands of neighbors. */
const maxParts = 64;

/** Reads the table; rows without a link-layer address are left out. Throws an Error of one line. */
export function readNeighborTable(libc: Libc): KernelNeighbor[] {
  const { SOCK_RAW, SOCK_CLOEXEC, MSG_DONTWAIT } = packetConstants;
  const cannot = () => new Error(`Cannot read the kernel's neighbors: ${errorReason(libc)}`);
  const fd = libc.socket(c.AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, c.NETLINK_ROUTE);
  if (fd < 0) throw cannot();
  try {
    const request = encodeRequest();
    if (libc.send(fd, request, BigInt(request.length), 0) < 0) throw cannot();
    const rows: KernelNeighbor[] = [];
    const part = new Uint8Array(partBytes);
    for (let i = 0; i < maxParts; i++) {
      // The kernel has answered by the time that it has taken the request, so nothing is waited for.
      const length = libc.recv(fd, part, BigInt(part.length), MSG_DONTWAIT);
      if (length < 0) throw cannot();
      const { neighbors, isLast } = decodeNeighbors(part.subarray(0, length));
      rows.push(...neighbors);
      if (isLast) return rows;
    }
    return rows;
  } finally {
    libc.close(fd);
  }
}

function encodeRequest(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(nlmsghdr.size + ndmsg.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(nlmsghdr.nlmsg_len, bytes.length, true);
  view.setUint16(nlmsghdr.nlmsg_type, c.RTM_GETNEIGH, true);
  view.setUint16(nlmsghdr.nlmsg_flags, c.NLM_F_REQUEST | c.NLM_F_DUMP, true);
  return bytes;
}

const aligned = (length: number) => length + 3 & ~3;

/** The neighbors in a part of the answer, and whether it is the last; never throws. */
export function decodeNeighbors(
  part: Uint8Array,
): { readonly neighbors: readonly KernelNeighbor[]; readonly isLast: boolean } {
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
  const neighbors: KernelNeighbor[] = [];
  for (let at = 0; at + nlmsghdr.size <= part.length;) {
    const length = view.getUint32(at + nlmsghdr.nlmsg_len, true);
    const type = view.getUint16(at + nlmsghdr.nlmsg_type, true);
    if (type === c.NLMSG_DONE || type === c.NLMSG_ERROR) return { neighbors, isLast: true };
    if (length < nlmsghdr.size || at + length > part.length) return { neighbors, isLast: true };
    if (type === c.RTM_NEWNEIGH) {
      const neighbor = decodeNeighbor(part.subarray(at + nlmsghdr.size, at + length));
      if (neighbor !== null) neighbors.push(neighbor);
    }
    at += aligned(length);
  }
  return { neighbors, isLast: false };
}

const withoutAddress = c.NUD_INCOMPLETE | c.NUD_FAILED | c.NUD_NOARP;

function decodeNeighbor(row: Uint8Array): KernelNeighbor | null {
  if (row.length < ndmsg.size) return null;
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  const family = row[ndmsg.ndm_family] === c.AF_INET ? 4 : 6;
  const isInternet = family === 4 || row[ndmsg.ndm_family] === c.AF_INET6;
  if (!isInternet || (view.getUint16(ndmsg.ndm_state, true) & withoutAddress) !== 0) return null;
  let address: Uint8Array | null = null;
  let linkLayerAddress: string | null = null;
  for (let at = ndmsg.size; at + rtattr.size <= row.length;) {
    const length = view.getUint16(at + rtattr.rta_len, true);
    if (length < rtattr.size || at + length > row.length) return null;
    const value = row.slice(at + rtattr.size, at + length);
    const type = view.getUint16(at + rtattr.rta_type, true);
    if (type === c.NDA_DST && value.length === (family === 4 ? 4 : 16)) address = value;
    if (type === c.NDA_LLADDR && value.length === 6) linkLayerAddress = value.toHex();
    at += aligned(length);
  }
  if (address === null || linkLayerAddress === null) return null;
  return {
    family,
    interfaceIndex: view.getInt32(ndmsg.ndm_ifindex, true),
    address,
    linkLayerAddress,
  };
}
