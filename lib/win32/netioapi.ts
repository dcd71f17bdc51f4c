/**
 * The rows of iphlpapi.dll's tables (netioapi.h, udpmib.h). Numbers are little-endian, addresses in
 * network order.
 */
import { type AddressPrefix, isLinkLocal } from "../wire/addresses.ts";
import {
  mibIpForwardRow2,
  mibIpInterfaceRow,
  mibIpNetRow2,
  mibUdp6RowOwnerPid,
  mibUdpRowOwnerPid,
  mibUnicastIpAddressRow,
  sockaddrInet,
} from "./structures.ts";

/** ADDRESS_FAMILY (ws2def.h). */
export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 23;

/** IF_MAX_PHYS_ADDRESS_LENGTH (ifdef.h). */
const maxPhysicalAddressLength = 32;

/** NL_NEIGHBOR_STATE (nldef.h) */
export const NlnsIncomplete = 1;
export const NlnsPermanent = 6;

/** How a table's rows are read. */
export interface RowKind<Row> {
  /** Bytes of a row. */
  readonly size: number;
  /** The row at an offset; null where its address is neither IPv4 nor IPv6: it is left out. */
  readonly read: (view: DataView, offset: number) => Row | null;
}

/** The rows of a table: DWORD NumEntries, then the rows from an offset on. */
export function readTable<Row>(
  bytes: Uint8Array,
  rowsOffset: number,
  { size, read }: RowKind<Row>,
): Row[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(0, true);
  return Array.from({ length: count }, (_, i) => read(view, rowsOffset + i * size))
    .filter((row) => row !== null);
}

function readAddress(view: DataView, offset: number, family: 4 | 6): AddressPrefix {
  const length = family === 4 ? 4 : 16;
  const bytes = new Uint8Array(16);
  bytes.set(new Uint8Array(view.buffer, view.byteOffset + offset, length));
  return { family, length: 8 * length, bytes };
}

/** The address of a SOCKADDR_INET. */
function readSockaddrInet(view: DataView, offset: number): AddressPrefix | null {
  switch (view.getUint16(offset + sockaddrInet.family, true)) {
    case AF_INET:
      return readAddress(view, offset + sockaddrInet.ipv4Address, 4);
    case AF_INET6:
      return readAddress(view, offset + sockaddrInet.ipv6Address, 6);
    default:
      return null;
  }
}

/**
 * The bytes of a SOCKADDR_INET with port 0 and flow information 0; an interface index says the zone of
 * an IPv6 link-local address.
 */
export function encodeSockaddrInet(
  address: AddressPrefix,
  interfaceIndex: number,
): Uint8Array<ArrayBuffer> {
  const socket = new Uint8Array(sockaddrInet.size);
  const view = new DataView(socket.buffer);
  const isIpv4 = address.family === 4;
  view.setUint16(sockaddrInet.family, isIpv4 ? AF_INET : AF_INET6, true);
  socket.set(
    address.bytes.subarray(0, isIpv4 ? 4 : 16),
    isIpv4 ? sockaddrInet.ipv4Address : sockaddrInet.ipv6Address,
  );
  if (!isIpv4 && isLinkLocal(address)) {
    view.setUint32(sockaddrInet.ipv6ScopeId, interfaceIndex, true);
  }
  return socket;
}

/** An entry of the neighbor cache. */
export interface IpNetRow {
  readonly address: AddressPrefix;
  readonly interfaceIndex: number;
  /** Looked at before the index by the calls that take a row; 0: only the index counts. */
  readonly interfaceLuid: bigint;
  /** At most 32 bytes, none while unresolved. */
  readonly physicalAddress: Uint8Array;
  readonly state: number;
}

/** The rows of a MIB_IPNET_TABLE2. */
export const ipNetRows: RowKind<IpNetRow> = {
  size: mibIpNetRow2.size,
  read(view, offset) {
    const address = readSockaddrInet(view, offset + mibIpNetRow2.address);
    if (address === null) return null;
    const length = view.getUint32(offset + mibIpNetRow2.physicalAddressLength, true);
    const at = view.byteOffset + offset + mibIpNetRow2.physicalAddress;
    return {
      address,
      interfaceIndex: view.getUint32(offset + mibIpNetRow2.interfaceIndex, true),
      interfaceLuid: view.getBigUint64(offset + mibIpNetRow2.interfaceLuid, true),
      physicalAddress: new Uint8Array(view.buffer, at, Math.min(length, maxPhysicalAddressLength))
        .slice(),
      state: view.getUint32(offset + mibIpNetRow2.state, true),
    };
  },
};

/** The bytes of a row, as CreateIpNetEntry2 and DeleteIpNetEntry2 take it. */
export function encodeIpNetRow(row: IpNetRow): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(mibIpNetRow2.size);
  const view = new DataView(bytes.buffer);
  bytes.set(encodeSockaddrInet(row.address, row.interfaceIndex), mibIpNetRow2.address);
  view.setUint32(mibIpNetRow2.interfaceIndex, row.interfaceIndex, true);
  view.setBigUint64(mibIpNetRow2.interfaceLuid, row.interfaceLuid, true);
  bytes.set(row.physicalAddress, mibIpNetRow2.physicalAddress);
  view.setUint32(mibIpNetRow2.physicalAddressLength, row.physicalAddress.length, true);
  view.setUint32(mibIpNetRow2.state, row.state, true);
  return bytes;
}

/** One family on an interface. */
export interface InterfaceRow {
  readonly family: number;
  readonly interfaceIndex: number;
  readonly isConnected: boolean;
}

/** The rows of a MIB_IPINTERFACE_TABLE. */
export const interfaceRows: RowKind<InterfaceRow> = {
  size: mibIpInterfaceRow.size,
  read: (view, offset) => ({
    family: view.getUint16(offset + mibIpInterfaceRow.family, true),
    interfaceIndex: view.getUint32(offset + mibIpInterfaceRow.interfaceIndex, true),
    isConnected: view.getUint8(offset + mibIpInterfaceRow.connected) !== 0,
  }),
};

/** A route. */
export interface ForwardRow {
  readonly interfaceIndex: number;
  /** Prefix length of the destination; 0 is the default route. */
  readonly destinationLength: number;
  /** All zero where the destination is on the link. */
  readonly nextHop: AddressPrefix;
}

/** The rows of a MIB_IPFORWARD_TABLE2. */
export const forwardRows: RowKind<ForwardRow> = {
  size: mibIpForwardRow2.size,
  read(view, offset) {
    const nextHop = readSockaddrInet(view, offset + mibIpForwardRow2.nextHop);
    return nextHop && {
      interfaceIndex: view.getUint32(offset + mibIpForwardRow2.interfaceIndex, true),
      destinationLength: view.getUint8(offset + mibIpForwardRow2.destinationLength),
      nextHop,
    };
  },
};

/** One of the host's own addresses. */
export interface UnicastRow {
  readonly address: AddressPrefix;
  readonly interfaceIndex: number;
  readonly interfaceLuid: bigint;
  /** Prefix length of the network that is on the interface's link. */
  readonly onLinkPrefixLength: number;
}

/** The rows of a MIB_UNICASTIPADDRESS_TABLE. */
export const unicastRows: RowKind<UnicastRow> = {
  size: mibUnicastIpAddressRow.size,
  read(view, offset) {
    const address = readSockaddrInet(view, offset + mibUnicastIpAddressRow.address);
    return address && {
      address,
      interfaceIndex: view.getUint32(offset + mibUnicastIpAddressRow.interfaceIndex, true),
      interfaceLuid: view.getBigUint64(offset + mibUnicastIpAddressRow.interfaceLuid, true),
      onLinkPrefixLength: view.getUint8(offset + mibUnicastIpAddressRow.onLinkPrefixLength),
    };
  },
};

/** A UDP socket. */
export interface UdpRow {
  readonly address: AddressPrefix;
  readonly port: number;
  /** The process that has bound it. */
  readonly pid: number;
}

/** The rows of a MIB_UDPTABLE_OWNER_PID (4) or MIB_UDP6TABLE_OWNER_PID (6). */
export function udpRows(family: 4 | 6): RowKind<UdpRow> {
  const layout = family === 4 ? mibUdpRowOwnerPid : mibUdp6RowOwnerPid;
  return {
    size: layout.size,
    read: (view, offset) => ({
      address: readAddress(view, offset + layout.localAddr, family),
      port: view.getUint16(offset + layout.localPort),
      pid: view.getUint32(offset + layout.owningPid, true),
    }),
  };
}
