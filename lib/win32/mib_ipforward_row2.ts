/** MIB_IPFORWARD_ROW2 (netioapi.h), x64: the routing table's rows. */
import { decodeMibTable } from "./mib_table.ts";
import { readSockaddrInet, type SocketAddress } from "./sockaddr_inet.ts";

/** Offsets in bytes; `size` is sizeof(MIB_IPFORWARD_ROW2). */
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

function decodeRow(view: DataView, offset: number): ForwardRow | null {
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
  return decodeMibTable(bytes, mibIpForwardRow2.size, decodeRow);
}
