import assert from "node:assert/strict";
import { decodeUdpTable } from "../../../lib/win32/udpmib.ts";
import { formatAddress } from "../../../lib/wire/addresses.ts";

const texts = (hex: string, family: 4 | 6) =>
  decodeUdpTable(Uint8Array.fromHex(hex.replaceAll(" ", "")), family)
    .map(({ address, port, pid }) => `${formatAddress(address)} ${port} ${pid}`);

Deno.test("decodeUdpTable() reads rows of either family, and no more than there are bytes for", () => {
  const ipv4 = "02000000 00000000 6c570000 04000000 c0000205 0035ffff d2040000";
  assert.deepEqual(texts(ipv4, 4), ["0.0.0.0 27735 4", "192.0.2.5 53 1234"]);
  assert.deepEqual(texts(ipv4.slice(0, -9), 4), ["0.0.0.0 27735 4"]);
  const ipv6 = "01000000 20010db8000000000000000000000005 07000000 6c570000 d2040000";
  assert.deepEqual(texts(ipv6, 6), ["2001:db8::5 27735 1234"]);
  assert.deepEqual(texts("00000000", 6), []);
});
