/** Tables as iphlpapi.dll returns them, built in memory. */
import fc from "fast-check";
import assert from "node:assert/strict";
import {
  decodeForwardTable,
  decodeInterfaceTable,
  decodeIpNetRow,
  decodeIpNetTable,
  decodeUnicastTable,
  encodeIpNetRow,
  type IpNetRow,
  mibIpNetRow2,
  mibTableSize,
  readSockaddrInet,
  sockaddrInet,
  type SocketAddress,
  writeSockaddrInet,
} from "../../../lib/win32/netioapi.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";

Deno.test("decodeIpNetRow() reads a row as Windows lays it out", () => {
  const bytes = new Uint8Array(88);
  bytes.set([2, 0, 0, 0, 192, 0, 2, 1], 0);
  bytes.set([12, 0, 0, 0], 28);
  bytes.set([0, 0, 0, 0, 0, 0, 6, 0], 32);
  bytes.set([2, 0, 0, 0, 0, 7], 40);
  bytes.set([6, 0, 0, 0], 72);
  bytes.set([4, 0, 0, 0], 76);
  bytes[80] = 1;
  const row = decodeIpNetRow(new DataView(bytes.buffer), 0);
  assert.deepEqual(row, {
    address: parsePrefix("192.0.2.1"),
    scopeId: 0,
    interfaceIndex: 12,
    interfaceLuid: 0x6_0000_0000_0000n,
    physicalAddress: Uint8Array.of(2, 0, 0, 0, 0, 7),
    state: 4,
    flags: 1,
  });
});

Deno.test("decodeIpNetRow() reads no more than 32 bytes of physical address", () => {
  const bytes = new Uint8Array(88);
  bytes[0] = 2;
  bytes.fill(0xff, 72, 76);
  const row = decodeIpNetRow(new DataView(bytes.buffer), 0);
  assert.equal(row?.physicalAddress.length, 32);
});

const socketAddresses: fc.Arbitrary<SocketAddress> = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((four) => {
    const bytes = new Uint8Array(16);
    bytes.set(four);
    return { address: { family: 4, length: 32, bytes }, scopeId: 0 } as const;
  }),
  fc.record({ bytes: fc.uint8Array({ minLength: 16, maxLength: 16 }), scopeId: fc.nat() }).map(
    ({ bytes, scopeId }) => ({ address: { family: 6, length: 128, bytes }, scopeId } as const),
  ),
);

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

const ipNetRows: fc.Arbitrary<IpNetRow> = fc.record({
  socket: socketAddresses,
  interfaceIndex: u32,
  interfaceLuid: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  physicalAddress: fc.uint8Array({ maxLength: 32 }),
  state: fc.integer({ min: 0, max: 6 }),
  flags: fc.integer({ min: 0, max: 255 }),
}).map(({ socket, ...row }) => ({ ...socket, ...row }));

Deno.test("a SOCKADDR_INET written is read back the same", () => {
  fc.assert(fc.property(socketAddresses, fc.nat(64), (socket, offset) => {
    const view = new DataView(new ArrayBuffer(offset + sockaddrInet.size));
    writeSockaddrInet(view, offset, socket);
    assert.deepEqual(readSockaddrInet(view, offset), socket);
  }));
});

Deno.test("decodeIpNetTable() gives back any table's rows", () => {
  fc.assert(fc.property(fc.array(ipNetRows, { maxLength: 40 }), (rows) => {
    assert.deepEqual(decodeIpNetTable(ipNetTableBytes(rows)), rows);
  }));
});

Deno.test("decodeIpNetTable() reads a table that lies inside a larger buffer", () => {
  fc.assert(fc.property(fc.array(ipNetRows, { maxLength: 5 }), fc.nat(40), (rows, before) => {
    const table = ipNetTableBytes(rows);
    const larger = new Uint8Array(before + table.length + 7).fill(0xaa);
    larger.set(table, before);
    const view = larger.subarray(before, before + table.length);
    assert.deepEqual(decodeIpNetTable(view), rows);
  }));
});

Deno.test("decodeIpNetTable() leaves out rows of foreign families", () => {
  fc.assert(fc.property(ipNetRows, u32.filter((n) => ![2, 23].includes(n & 0xffff)), (row, n) => {
    const table = ipNetTableBytes([row, row]);
    new DataView(table.buffer).setUint16(8, n & 0xffff, true);
    assert.deepEqual(decodeIpNetTable(table), [row]);
  }));
});

Deno.test("decodeIpNetTable() refuses a table that is shorter than its count", () => {
  const table = ipNetTableBytes([]);
  new DataView(table.buffer).setUint32(0, 1, true);
  assert.throws(
    () => decodeIpNetTable(table),
    /^RangeError: A table of 8 bytes cannot hold 1 rows$/,
  );
});

Deno.test("decodeIpNetTable() reads 20,000 rows", () => {
  const [row] = fc.sample(ipNetRows, { numRuns: 1, seed: 7 });
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ ...row, interfaceIndex: i }));
  const decoded = decodeIpNetTable(ipNetTableBytes(rows));
  assert.equal(decoded.length, 20_000);
  assert.deepEqual(decoded[19_999], rows[19_999]);
});

Deno.test("encodeIpNetRow() refuses a physical address of 33 bytes", () => {
  const [row] = fc.sample(ipNetRows, { numRuns: 1, seed: 7 });
  assert.throws(() => encodeIpNetRow({ ...row, physicalAddress: new Uint8Array(33) }), RangeError);
});

Deno.test("decodeUnicastTable() reads address, interface and prefix length", () => {
  const table = new Uint8Array(8 + 80);
  table[0] = 1;
  table.set([23, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8], 8);
  table[8 + 32] = 9;
  table[8 + 40] = 3;
  table[8 + 60] = 64;
  assert.deepEqual(decodeUnicastTable(table), [{
    address: parsePrefix("2001:db8::"),
    scopeId: 0,
    interfaceLuid: 9n,
    interfaceIndex: 3,
    onLinkPrefixLength: 64,
  }]);
});

Deno.test("decodeInterfaceTable() reads family, interface and whether it is connected", () => {
  const bytes = new Uint8Array(8 + 2 * 168);
  bytes[0] = 2;
  bytes.set([2, 0], 8);
  bytes.set([12, 0, 0, 0], 8 + 16);
  bytes[8 + 156] = 1;
  bytes.set([23, 0], 8 + 168);
  bytes.set([13, 0, 0, 0], 8 + 168 + 16);
  assert.deepEqual(decodeInterfaceTable(bytes), [
    { family: 2, interfaceIndex: 12, isConnected: true },
    { family: 23, interfaceIndex: 13, isConnected: false },
  ]);
});

Deno.test("decodeForwardTable() reads interface, prefix length and next hop", () => {
  const table = new Uint8Array(8 + 104);
  table[0] = 1;
  table[8 + 8] = 5;
  table.set([2, 0], 8 + 12);
  table[8 + 40] = 24;
  table.set([2, 0, 0, 0, 198, 51, 100, 1], 8 + 44);
  assert.deepEqual(decodeForwardTable(table), [{
    interfaceIndex: 5,
    destinationLength: 24,
    nextHop: { address: parsePrefix("198.51.100.1"), scopeId: 0 },
  }]);
});

/** A MIB_IPNET_TABLE2 of these rows. */
function ipNetTableBytes(rows: readonly IpNetRow[]): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(mibTableSize(mibIpNetRow2.size, rows.length));
  new DataView(table.buffer).setUint32(0, rows.length, true);
  rows.forEach((row, i) => table.set(encodeIpNetRow(row), mibTableSize(mibIpNetRow2.size, i)));
  return table;
}
