import fc from "fast-check";
import assert from "node:assert/strict";
import { decodeAllowed, decodeSid } from "../../../lib/win32/aclapi.ts";
import { fromWide, systemDll, toWide } from "../../../lib/win32/kernel32.ts";
import { describeWin32Error } from "../../../lib/win32/win32_error.ts";
import { encodeServiceStatus } from "../../../lib/win32/winsvc.ts";

function sidBytes(...subAuthorities: number[]): number[] {
  const words = new Uint8Array(Uint32Array.from(subAuthorities).buffer);
  return [1, subAuthorities.length, 0, 0, 0, 0, 0, 5, ...words];
}

function ace(type: number, flags: number, mask: number, sid: number[]): number[] {
  const size = 8 + sid.length;
  return [type, flags, size, 0, ...new Uint8Array(Uint32Array.of(mask).buffer), ...sid];
}

function acl(...aces: number[][]): DataView {
  const body = aces.flat();
  const size = 8 + body.length;
  return new DataView(
    Uint8Array.from([2, 0, size & 255, size >> 8, aces.length, 0, 0, 0, ...body]).buffer,
  );
}

Deno.test("decodeSid() writes a SID as Windows does", () => {
  const view = (bytes: number[]) => new DataView(Uint8Array.from(bytes).buffer);
  assert.equal(decodeSid(view(sidBytes(18)), 0), "S-1-5-18");
  assert.equal(decodeSid(view([0, 0, ...sidBytes(32, 544)]), 2), "S-1-5-32-544");
  assert.equal(
    decodeSid(view(sidBytes(21, 0xffff_ffff, 3, 1001)), 0),
    "S-1-5-21-4294967295-3-1001",
  );
});

Deno.test("decodeAllowed() lists who is let in here, not who is denied or inherits elsewhere", () => {
  const denied = 1, inheritOnly = 8, containerInherit = 2;
  const allowed = decodeAllowed(acl(
    ace(denied, 0, 0x1f01ff, sidBytes(32, 545)),
    ace(0, 0, 0x1f01ff, sidBytes(18)),
    ace(0, inheritOnly, 0x1f01ff, sidBytes(32, 545)),
    ace(0, containerInherit, 0x8000_0000, sidBytes(32, 546)),
  ));
  assert.deepEqual(allowed, [
    { sid: "S-1-5-18", mask: 0x1f01ff },
    { sid: "S-1-5-32-546", mask: 0x8000_0000 },
  ]);
  assert.deepEqual(decodeAllowed(acl()), []);
});

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

Deno.test("describeWin32Error() uses Microsoft's name, or the bare number", () => {
  assert.equal(describeWin32Error(5), "ERROR_ACCESS_DENIED (5): Access is denied");
  assert.equal(describeWin32Error(4711), "error 4711");
});

Deno.test("encodeServiceStatus() is SERVICE_STATUS: seven DWORDs", () => {
  const words = encodeServiceStatus({
    state: 4,
    controlsAccepted: 0x149,
    exitCode: 1066,
    serviceExitCode: 44,
    waitHint: 25_000,
  });
  assert.deepEqual([...words], [0x10, 4, 0x149, 1066, 44, 0, 25_000]);
  assert.equal(words.byteLength, 28);
});
