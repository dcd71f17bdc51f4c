/** The neighbor cache's rows as iphlpapi.dll has them, read whole and understood. */
import type { IpHelper, TableResult } from "../win32/iphlpapi.ts";
import { type IpNetRow, NlnsIncomplete, NlnsPermanent } from "../win32/mib_ipnet_row2.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../win32/sockaddr_inet.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import { formatAddress } from "../wire/ip_address.ts";
import { type Neighbor, NeighborCacheError } from "./neighbor_cache.ts";

const ethernetAddressLength = 6;

/** What failed as the ack and the log name it: the call and Microsoft's name for its error. */
export function callError(call: string, code: number): NeighborCacheError {
  return new NeighborCacheError(`${call} returned ${describeWin32Error(code)}`, code);
}

/**
 * The rows of both families from a call that takes one. Where the system refuses both at once
 * because one is absent (50), each is asked for on its own; only a system with neither is an error.
 */
export function bothFamilies<Row>(
  name: string,
  call: (family: number) => TableResult<Row>,
): Row[] {
  const both = call(AF_UNSPEC);
  if (both.code === win32.success) return both.rows;
  if (both.code !== win32.notSupported) throw callError(`${name}(AF_UNSPEC)`, both.code);
  const each = [
    { family: "AF_INET", ...call(AF_INET) },
    { family: "AF_INET6", ...call(AF_INET6) },
  ];
  const broken = each.find(({ code }) => code !== win32.success && code !== win32.notSupported);
  if (broken !== undefined) throw callError(`${name}(${broken.family})`, broken.code);
  if (each.every(({ code }) => code === win32.notSupported)) {
    throw callError(`${name}(AF_UNSPEC)`, both.code);
  }
  return each.flatMap(({ rows }) => rows);
}

/** All rows of the neighbor cache, both families, every interface. */
export function readRows(ip: IpHelper): IpNetRow[] {
  return bothFamilies("GetIpNetTable2", (family) => ip.getIpNetTable2(family));
}

/** Tells rows apart: interface and address. */
export function rowKey(row: Pick<IpNetRow, "interfaceIndex" | "address">): string {
  return `${row.interfaceIndex} ${row.address.family} ${row.address.bytes.toHex()}`;
}

/** A row as people know it, for the log. */
export function describeRow(row: IpNetRow): string {
  return `${formatAddress(row.address)} on interface ${row.interfaceIndex}`;
}

/** Set by an administrator, or by the system for its own use. */
export function isPermanent(row: IpNetRow): boolean {
  return row.state === NlnsPermanent;
}

/**
 * Whether the system made a permanent row for itself, and makes it again without our help: those
 * of multicast, broadcast and loopback.
 */
export function isSystemRow(row: IpNetRow): boolean {
  const { family, bytes } = row.address;
  if (row.physicalAddress.length === 0) return true;
  if (row.physicalAddress.every((byte) => byte === 0xff)) return true;
  return family === 4 ? bytes[0] >= 224 || bytes[0] === 127 : bytes[0] === 0xff;
}

/**
 * The Ethernet address a row leads to; null while it leads nowhere. Windows shows zeros where it
 * has none.
 */
export function linkLayerAddressOf(row: IpNetRow): Uint8Array | null {
  const { physicalAddress, state } = row;
  if (state === NlnsIncomplete || physicalAddress.length !== ethernetAddressLength) return null;
  return physicalAddress.some(Boolean) ? physicalAddress : null;
}

/** A row as every platform reports it. */
export function toNeighbor(row: IpNetRow): Neighbor {
  return {
    address: row.address,
    interfaceName: String(row.interfaceIndex),
    linkLayerAddress: linkLayerAddressOf(row),
    permanent: isPermanent(row),
  };
}
