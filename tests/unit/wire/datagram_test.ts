import fc from "fast-check";
import assert from "node:assert/strict";
import { readTextField, writeTextField } from "../../../lib/wire/datagram.ts";

Deno.test("writeTextField() writes at most 64 bytes of whole characters and clears the rest", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => {
    fc.pre(!text.includes("\0"));
    const bytes = new Uint8Array(80).fill(0xee);
    writeTextField(bytes, 8, text);
    assert.ok(bytes.subarray(0, 8).every((byte) => byte === 0xee));
    assert.ok(bytes.subarray(72).every((byte) => byte === 0xee));
    const read = readTextField(bytes, 8);
    assert.ok(read !== null && text.startsWith(read));
    const lost = text.slice(read.length, read.length + 2);
    assert.ok(lost === "" || new TextEncoder().encode(read + lost).length > 64);
  }));
});

Deno.test("readTextField() rejects bytes behind the first zero and what isn't UTF-8", () => {
  const bytes = new Uint8Array(64);
  bytes.set(new TextEncoder().encode("SQL01"));
  assert.equal(readTextField(bytes, 0), "SQL01");
  writeTextField(bytes, 0, "\ufeffSQL01");
  assert.equal(readTextField(bytes, 0), "\ufeffSQL01", "a byte order mark is part of a text");
  bytes[63] = 1;
  assert.equal(readTextField(bytes, 0), null);
  assert.equal(readTextField(new Uint8Array(64).fill(0xc3), 0), null);
  assert.equal(readTextField(new Uint8Array(64).fill(0x80), 0), null);
  assert.equal(readTextField(new Uint8Array(64).fill(0x80, 0, 1), 0), null);
  assert.equal(readTextField(new Uint8Array(64).fill(0x7f), 0), "\x7f".repeat(64));
  assert.equal(readTextField(new Uint8Array(64).fill(0x61), 0), "a".repeat(64));
});
