/** MIB_UNICASTIPADDRESS_ROW (netioapi.h), x64: the host's own addresses. */
import { decodeMibTable } from "./mib_table.ts";
import { readSockaddrInet, type SocketAddress } from "./sockaddr_inet.ts";

/** Offsets in bytes; `size` is sizeof(MIB_UNICASTIPADDRESS_ROW). */
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

function decodeRow(view: DataView, offset: number): UnicastRow | null {
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
  return decodeMibTable(bytes, mibUnicastIpAddressRow.size, decodeRow);
}
