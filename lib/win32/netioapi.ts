/**
 * The tables of iphlpapi.dll and their rows (netioapi.h, ws2ipdef.h), as they lie in the memory of an
 * x64 process. Numbers are little-endian, addresses in network order.
 */
import type { AddressPrefix } from "../wire/addresses.ts";

/** ADDRESS_FAMILY (ws2def.h). */
export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 23;

/** SOCKADDR_INET, an IPv4 or IPv6 socket address: offsets in bytes and its size. */
export const sockaddrInet = {
  size: 28,
  family: 0,
  /** SOCKADDR_IN.sin_addr */
  ipv4Address: 4,
  /** SOCKADDR_IN6.sin6_addr */
  ipv6Address: 8,
  /** SOCKADDR_IN6.sin6_scope_id */
  ipv6ScopeId: 24,
} as const;

/** A socket address without its port. */
export interface SocketAddress {
  readonly address: AddressPrefix;
  /** The interface that a link-local IPv6 address belongs to; 0 for none, and for IPv4. */
  readonly scopeId: number;
}

/** Reads a SOCKADDR_INET; null for a family other than IPv4 and IPv6 (AF_UNSPEC included). */
export function readSockaddrInet(view: DataView, offset: number): SocketAddress | null {
  const family = view.getUint16(offset + sockaddrInet.family, true);
  const bytes = new Uint8Array(16);
  const source = new Uint8Array(view.buffer, view.byteOffset + offset, sockaddrInet.size);
  if (family === AF_INET) {
    bytes.set(source.subarray(sockaddrInet.ipv4Address, sockaddrInet.ipv4Address + 4));
    return { address: { family: 4, length: 32, bytes }, scopeId: 0 };
  }
  if (family === AF_INET6) {
    bytes.set(source.subarray(sockaddrInet.ipv6Address, sockaddrInet.ipv6Address + 16));
    const scopeId = view.getUint32(offset + sockaddrInet.ipv6ScopeId, true);
    return { address: { family: 6, length: 128, bytes }, scopeId };
  }
  return null;
}

/** Writes a SOCKADDR_INET with port 0 and flow information 0. */
export function writeSockaddrInet(view: DataView, offset: number, socket: SocketAddress): void {
  const target = new Uint8Array(view.buffer, view.byteOffset + offset, sockaddrInet.size);
  target.fill(0);
  const { family, bytes } = socket.address;
  view.setUint16(offset + sockaddrInet.family, family === 4 ? AF_INET : AF_INET6, true);
  if (family === 4) {
    target.set(bytes.subarray(0, 4), sockaddrInet.ipv4Address);
  } else {
    target.set(bytes, sockaddrInet.ipv6Address);
    view.setUint32(offset + sockaddrInet.ipv6ScopeId, socket.scopeId, true);
  }
}

/**
 * Offsets in bytes in every MIB_…_TABLE: ULONG NumEntries, then the rows, which a member of 8 bytes
 * aligns.
 */
export const mibTable = { count: 0, rows: 8 } as const;

/** Bytes of a table with so many rows. */
export function mibTableSize(rowSize: number, rowCount: number): number {
  return mibTable.rows + rowSize * rowCount;
}

/** The number of rows that a table, or its head, tells. */
export function mibTableCount(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(mibTable.count, true);
}

/**
 * Decodes every row of a table, leaving out those that decode to null. Throws a RangeError for a
 * table shorter than its own count says.
 */
function decodeMibTable<Row>(
  bytes: Uint8Array,
  rowSize: number,
  decodeRow: (view: DataView, offset: number) => Row | null,
): Row[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = mibTableCount(bytes);
  if (bytes.length < mibTableSize(rowSize, count)) {
    throw new RangeError(`A table of ${bytes.length} bytes cannot hold ${count} rows`);
  }
  const rows: Row[] = [];
  for (let i = 0; i < count; i++) {
    const row = decodeRow(view, mibTableSize(rowSize, i));
    if (row !== null) rows.push(row);
  }
  return rows;
}

/** MIB_IPNET_ROW2, an entry of the neighbor cache: offsets in bytes and its size. */
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
const maxPhysicalAddressLength = 32;

/** NL_NEIGHBOR_STATE (nldef.h) */
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
    maxPhysicalAddressLength,
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

/** The bytes of a row, as CreateIpNetEntry2 and DeleteIpNetEntry2 take it. */
export function encodeIpNetRow(row: IpNetRow): Uint8Array<ArrayBuffer> {
  if (row.physicalAddress.length > maxPhysicalAddressLength) {
    throw new RangeError(`A physical address has at most ${maxPhysicalAddressLength} bytes`);
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

/** MIB_IPINTERFACE_ROW, one family on an interface: offsets in bytes and its size. */
export const mibIpInterfaceRow = {
  size: 168,
  /** ADDRESS_FAMILY */
  family: 0,
  /** NET_IFINDEX */
  interfaceIndex: 16,
  /** BOOLEAN */
  connected: 156,
} as const;

/** One family on an interface. */
export interface InterfaceRow {
  readonly family: number;
  readonly interfaceIndex: number;
  readonly isConnected: boolean;
}

/** The rows of a MIB_IPINTERFACE_TABLE. */
export function decodeInterfaceTable(bytes: Uint8Array): InterfaceRow[] {
  return decodeMibTable(bytes, mibIpInterfaceRow.size, (view, offset) => ({
    family: view.getUint16(offset + mibIpInterfaceRow.family, true),
    interfaceIndex: view.getUint32(offset + mibIpInterfaceRow.interfaceIndex, true),
    isConnected: view.getUint8(offset + mibIpInterfaceRow.connected) !== 0,
  }));
}

/** MIB_IPFORWARD_ROW2, a route: offsets in bytes and its size. */
export const mibIpForwardRow2 = {
  size: 104,
  /** NET_LUID */
  interfaceLuid: 0,
  /** NET_IFINDEX */
  interfaceIndex: 8,
  /** IP_ADDRESS_PREFIX.Prefix, a SOCKADDR_INET */
  destination: 12,
  /** IP_ADDRESS_PREFIX.PrefixLength, UINT8 */
  destinationLength: 40,
  /** SOCKADDR_INET */
  nextHop: 44,
  /** ULONG */
  metric: 84,
} as const;

/** One route. */
export interface ForwardRow {
  readonly interfaceIndex: number;
  /** Prefix length of the destination; 0 is the default route. */
  readonly destinationLength: number;
  /** All zero where the destination is on the link. */
  readonly nextHop: SocketAddress;
}

function decodeForwardRow(view: DataView, offset: number): ForwardRow | null {
  const nextHop = readSockaddrInet(view, offset + mibIpForwardRow2.nextHop);
  if (nextHop === null) return null;
  return {
    interfaceIndex: view.getUint32(offset + mibIpForwardRow2.interfaceIndex, true),
    destinationLength: view.getUint8(offset + mibIpForwardRow2.destinationLength),
    nextHop,
  };
}

/** The rows of a MIB_IPFORWARD_TABLE2. */
export function decodeForwardTable(bytes: Uint8Array): ForwardRow[] {
  return decodeMibTable(bytes, mibIpForwardRow2.size, decodeForwardRow);
}

/** MIB_UNICASTIPADDRESS_ROW, an own address: offsets in bytes and its size. */
export const mibUnicastIpAddressRow = {
  size: 80,
  /** SOCKADDR_INET */
  address: 0,
  /** NET_LUID */
  interfaceLuid: 32,
  /** NET_IFINDEX */
  interfaceIndex: 40,
  /** UINT8 */
  onLinkPrefixLength: 60,
} as const;

/** One of the host's own addresses. */
export interface UnicastRow extends SocketAddress {
  readonly interfaceIndex: number;
  readonly interfaceLuid: bigint;
  /** Prefix length of the network that is on the interface's link. */
  readonly onLinkPrefixLength: number;
}

function decodeUnicastRow(view: DataView, offset: number): UnicastRow | null {
  const socket = readSockaddrInet(view, offset + mibUnicastIpAddressRow.address);
  if (socket === null) return null;
  return {
    ...socket,
    interfaceIndex: view.getUint32(offset + mibUnicastIpAddressRow.interfaceIndex, true),
    interfaceLuid: view.getBigUint64(offset + mibUnicastIpAddressRow.interfaceLuid, true),
    onLinkPrefixLength: view.getUint8(offset + mibUnicastIpAddressRow.onLinkPrefixLength),
  };
}

/** The rows of a MIB_UNICASTIPADDRESS_TABLE. */
export function decodeUnicastTable(bytes: Uint8Array): UnicastRow[] {
  return decodeMibTable(bytes, mibUnicastIpAddressRow.size, decodeUnicastRow);
}
