import fc from "fast-check";
import assert from "node:assert/strict";
import { fromWide, systemDll, toWide } from "../../../lib/win32/kernel32.ts";

const texts = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));

Deno.test("toWide() ends a text with a zero and fromWide() gives it back", () => {
  fc.assert(fc.property(texts, (text) => {
    const units = toWide(text);
    assert.equal(units.length, text.length + 1);
    assert.equal(units.at(-1), 0);
    assert.equal(fromWide(units), text);
  }));
});

Deno.test("toWide() refuses a text with a zero in it", () => {
  assert.throws(() => toWide("a\0b"), RangeError);
});

Deno.test("fromWide() reads units without a terminator, and long ones", () => {
  assert.equal(fromWide(Uint16Array.of(65, 66)), "AB");
  assert.equal(fromWide(toWide("ä".repeat(10_000))), "ä".repeat(10_000));
});

Deno.test("systemDll() is an absolute path in System32", () => {
  assert.equal(systemDll("a.dll", "C:\\Windows"), "C:\\Windows\\System32\\a.dll");
  assert.equal(systemDll("a.dll", "D:\\WinNT\\"), "D:\\WinNT\\System32\\a.dll");
});
