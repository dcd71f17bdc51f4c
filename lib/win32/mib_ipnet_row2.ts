/** MIB_IPNET_ROW2 and MIB_IPNET_TABLE2 (netioapi.h), x64: the neighbor cache's rows. */
import { readSockaddrInet, type SocketAddress, writeSockaddrInet } from "./sockaddr_inet.ts";
import { decodeMibTable } from "./mib_table.ts";

/** Offsets in bytes; `size` is sizeof(MIB_IPNET_ROW2). */
export const mibIpNetRow2 = {
  size: 88,
  /** SOCKADDR_INET */
  address: 0,
  /** NET_IFINDEX */
  interfaceIndex: 28,
  /** NET_LUID */
  interfaceLuid: 32,
  /** UCHAR[IF_MAX_PHYS_ADDRESS_LENGTH] */
  physicalAddress: 40,
  /** ULONG */
  physicalAddressLength: 72,
  /** NL_NEIGHBOR_STATE */
  state: 76,
  /** UCHAR: bit 0 IsRouter, bit 1 IsUnreachable */
  flags: 80,
  /** ULONG, milliseconds */
  reachabilityTime: 84,
} as const;

/** IF_MAX_PHYS_ADDRESS_LENGTH (ifdef.h). */
export const physicalAddressMost = 32;

/** NL_NEIGHBOR_STATE (nldef.h); the index is the number. */
export const neighborStateNames = [
  "unreachable",
  "incomplete",
  "probe",
  "delay",
  "stale",
  "reachable",
  "permanent",
] as const;

export const NlnsIncomplete = 1;
export const NlnsPermanent = 6;

/** One row of the neighbor cache. */
export interface IpNetRow extends SocketAddress {
  readonly interfaceIndex: number;
  /** Looked at before the index by the calls that take a row; 0: only the index counts. */
  readonly interfaceLuid: bigint;
  /** At most 32 bytes, none while unresolved. */
  readonly physicalAddress: Uint8Array;
  readonly state: number;
  readonly flags: number;
}

/** The row at an offset; null when its address is of a foreign family. */
export function decodeIpNetRow(view: DataView, offset: number): IpNetRow | null {
  const socket = readSockaddrInet(view, offset + mibIpNetRow2.address);
  if (socket === null) return null;
  const length = Math.min(
    view.getUint32(offset + mibIpNetRow2.physicalAddressLength, true),
    physicalAddressMost,
  );
  const at = view.byteOffset + offset + mibIpNetRow2.physicalAddress;
  return {
    ...socket,
    interfaceIndex: view.getUint32(offset + mibIpNetRow2.interfaceIndex, true),
    interfaceLuid: view.getBigUint64(offset + mibIpNetRow2.interfaceLuid, true),
    physicalAddress: new Uint8Array(view.buffer, at, length).slice(),
    state: view.getUint32(offset + mibIpNetRow2.state, true),
    flags: view.getUint8(offset + mibIpNetRow2.flags),
  };
}

/** The bytes of a row, as CreateIpNetEntry2, DeleteIpNetEntry2 and ResolveIpNetEntry2 take it. */
export function encodeIpNetRow(row: IpNetRow): Uint8Array<ArrayBuffer> {
  if (row.physicalAddress.length > physicalAddressMost) {
    throw new RangeError(`A physical address has at most ${physicalAddressMost} bytes`);
  }
  const bytes = new Uint8Array(mibIpNetRow2.size);
  const view = new DataView(bytes.buffer);
  writeSockaddrInet(view, mibIpNetRow2.address, row);
  view.setUint32(mibIpNetRow2.interfaceIndex, row.interfaceIndex, true);
  view.setBigUint64(mibIpNetRow2.interfaceLuid, row.interfaceLuid, true);
  bytes.set(row.physicalAddress, mibIpNetRow2.physicalAddress);
  view.setUint32(mibIpNetRow2.physicalAddressLength, row.physicalAddress.length, true);
  view.setUint32(mibIpNetRow2.state, row.state, true);
  view.setUint8(mibIpNetRow2.flags, row.flags);
  return bytes;
}

/** The rows of a MIB_IPNET_TABLE2; rows of foreign families are left out. */
export function decodeIpNetTable(bytes: Uint8Array): IpNetRow[] {
  return decodeMibTable(bytes, mibIpNetRow2.size, decodeIpNetRow);
}
