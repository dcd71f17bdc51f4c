import assert from "node:assert/strict";
import { decodeAllowed, decodeSid } from "../../../lib/win32/advapi32.ts";

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
