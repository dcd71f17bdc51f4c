/**
 * What all tables of netioapi.h have in common: ULONG NumEntries at 0, rows from 8 (their first
 * member or a NET_LUID in them aligns them to 8 bytes).
 */

/** Offsets in bytes. */
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
export function decodeMibTable<Row>(
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
