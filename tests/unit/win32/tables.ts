/** Tables as iphlpapi.dll returns them, built in memory. */
import {
  encodeIpNetRow,
  type IpNetRow,
  mibIpNetRow2,
  mibTableSize,
} from "../../../lib/win32/netioapi.ts";

/** A MIB_IPNET_TABLE2 of these rows. */
export function ipNetTableBytes(rows: readonly IpNetRow[]): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(mibTableSize(mibIpNetRow2.size, rows.length));
  new DataView(table.buffer).setUint32(0, rows.length, true);
  rows.forEach((row, i) => table.set(encodeIpNetRow(row), mibTableSize(mibIpNetRow2.size, i)));
  return table;
}
