/** Tables as iphlpapi.dll returns them, built in memory. */
import fc from "fast-check";
import assert from "node:assert/strict";
import {
  encodeIpNetRow,
  forwardRows,
  interfaceRows,
  type IpNetRow,
  ipNetRows,
  readTable,
  type RowKind,
  udpRows,
  unicastRows,
} from "../../../lib/win32/netioapi.ts";
import { type AddressPrefix, formatAddress, parsePrefix } from "../../../lib/wire/addresses.ts";

/** Bytes from hex with spaces; what follows `@N` begins at offset N, behind zeros. */
function bytesOf(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const word of text.trim().split(/\s+/)) {
    if (!word.startsWith("@")) bytes.push(...Uint8Array.fromHex(word));
    else bytes.push(...Array(Number(word.slice(1)) - bytes.length).fill(0));
  }
  return Uint8Array.from(bytes);
}

Deno.test("readTable() reads each kind of row as Windows lays it out", () => {
  const rowsOf = <Row>(text: string, kind: RowKind<Row>) => readTable(bytesOf(text), 8, kind);
  assert.deepEqual(
    rowsOf(
      "01000000 @8 02000000c0000201 @36 0c000000 @40 0000000000000600 @48 020000000007 " +
        "@80 06000000 04000000 01 @96",
      ipNetRows,
    ),
    [{
      address: parsePrefix("192.0.2.1"),
      interfaceIndex: 12,
      interfaceLuid: 0x6_0000_0000_0000n,
      physicalAddress: Uint8Array.of(2, 0, 0, 0, 0, 7),
      state: 4,
    }],
  );
  assert.deepEqual(
    rowsOf("01000000 @8 170000000000000020010db8 @40 09 @48 03 @68 40 @88", unicastRows),
    [{
      address: parsePrefix("2001:db8::"),
      interfaceLuid: 9n,
      interfaceIndex: 3,
      onLinkPrefixLength: 64,
    }],
  );
  assert.deepEqual(
    rowsOf("02000000 @8 02 @24 0c @164 01 @176 17 @192 0d @344", interfaceRows),
    [
      { family: 2, interfaceIndex: 12, isConnected: true },
      { family: 23, interfaceIndex: 13, isConnected: false },
    ],
  );
  assert.deepEqual(
    rowsOf("01000000 @8 @16 05 @20 02 @48 18 @52 02000000c6336401 @112", forwardRows),
    [{ interfaceIndex: 5, destinationLength: 24, nextHop: parsePrefix("198.51.100.1") }],
  );
});

Deno.test("readTable() reads UDP sockets of either family", () => {
  const texts = (hex: string, family: 4 | 6) =>
    readTable(bytesOf(hex), 4, udpRows(family))
      .map(({ address, port, pid }) => `${formatAddress(address)} ${port} ${pid}`);
  const ipv4 = "02000000 00000000 6c570000 04000000 c0000205 0035ffff d2040000";
  assert.deepEqual(texts(ipv4, 4), ["0.0.0.0 27735 4", "192.0.2.5 53 1234"]);
  const ipv6 = "01000000 20010db8000000000000000000000005 07000000 6c570000 d2040000";
  assert.deepEqual(texts(ipv6, 6), ["2001:db8::5 27735 1234"]);
});

Deno.test("readTable() reads no more than 32 bytes of physical address, whatever the row says", () => {
  const [row] = readTable(bytesOf("01000000 @8 02 @80 ffffffff @96"), 8, ipNetRows);
  assert.equal(row.physicalAddress.length, 32);
});

const addresses: fc.Arbitrary<AddressPrefix> = fc.oneof(
  fc.ipV4().map(parsePrefix),
  fc.ipV6().filter((text) => !text.includes(".")).map(parsePrefix),
);

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

const rows: fc.Arbitrary<IpNetRow> = fc.record({
  address: addresses,
  interfaceIndex: u32,
  interfaceLuid: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  physicalAddress: fc.uint8Array({ maxLength: 32 }),
  state: fc.integer({ min: 0, max: 6 }),
}, { noNullPrototype: true });

/** A MIB_IPNET_TABLE2 of these rows, somewhere inside a larger buffer. */
function tableOf(rows: readonly IpNetRow[], before = 0): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(before + 8 + 88 * rows.length + 7);
  const table = larger.subarray(before);
  new DataView(larger.buffer, before).setUint32(0, rows.length, true);
  rows.forEach((row, i) => table.set(encodeIpNetRow(row), 8 + 88 * i));
  return table;
}

Deno.test("encodeIpNetRow() writes what readTable() reads, wherever the table lies", () => {
  fc.assert(fc.property(fc.array(rows, { maxLength: 40 }), fc.nat(40), (rows, before) => {
    assert.deepEqual(readTable(tableOf(rows, before), 8, ipNetRows), rows);
  }));
});

Deno.test("encodeIpNetRow() says the zone of an IPv6 link-local address alone", () => {
  const [row] = fc.sample(rows, 1);
  const zoneOf = (address: string) =>
    encodeIpNetRow({ ...row, address: parsePrefix(address), interfaceIndex: 12 })[24];
  assert.deepEqual(["fe80::1", "2001:db8::1", "169.254.0.1"].map(zoneOf), [12, 0, 0]);
});

Deno.test("readTable() leaves out rows of foreign families", () => {
  fc.assert(fc.property(rows, fc.integer({ min: 24, max: 0xffff }), (row, family) => {
    const table = tableOf([row, row]);
    new DataView(table.buffer).setUint16(8, family, true);
    assert.deepEqual(readTable(table, 8, ipNetRows), [row]);
  }));
});
