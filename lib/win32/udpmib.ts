/** The tables of UDP sockets with their owners (udpmib.h), as they lie in memory on x64 and x86 alike. */
import type { AddressPrefix } from "../wire/addresses.ts";

/** UDP_TABLE_OWNER_PID of UDP_TABLE_CLASS (iprtrmib.h). */
export const UDP_TABLE_OWNER_PID = 1;

/** MIB_UDPROW_OWNER_PID: offsets in bytes and its size. Address and port are in network order. */
export const mibUdpRowOwnerPid = { size: 12, localAddr: 0, localPort: 4, owningPid: 8 } as const;

/** MIB_UDP6ROW_OWNER_PID */
export const mibUdp6RowOwnerPid = {
  size: 28,
  localAddr: 0,
  localScopeId: 16,
  localPort: 20,
  owningPid: 24,
} as const;

/** Offsets in both tables: DWORD dwNumEntries, then the rows. */
export const mibUdpTable = { count: 0, rows: 4 } as const;

/** A UDP socket. */
export interface UdpRow {
  readonly address: AddressPrefix;
  readonly port: number;
  /** The process that has bound it. */
  readonly pid: number;
}

/** The rows of a MIB_UDPTABLE_OWNER_PID or MIB_UDP6TABLE_OWNER_PID; as many as there are bytes for. */
export function decodeUdpTable(bytes: Uint8Array, family: 4 | 6): UdpRow[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const layout = family === 4 ? mibUdpRowOwnerPid : mibUdp6RowOwnerPid;
  const [length, bits] = family === 4 ? [4, 32] : [16, 128];
  const room = Math.floor((bytes.length - mibUdpTable.rows) / layout.size);
  const count = Math.min(view.getUint32(mibUdpTable.count, true), room);
  return Array.from({ length: count }, (_, i) => {
    const at = mibUdpTable.rows + i * layout.size;
    const address = new Uint8Array(16);
    address.set(bytes.subarray(at + layout.localAddr, at + layout.localAddr + length));
    return {
      address: { family, length: bits, bytes: address },
      port: view.getUint16(at + layout.localPort),
      pid: view.getUint32(at + layout.owningPid, true),
    };
  });
}
