import fc from "fast-check";
import assert from "node:assert/strict";
import { createLegacyCheck, encodeLegacyRequest } from "../../../lib/wire/legacy.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("encodeLegacyRequest() is the password and nothing else", () => {
  assert.deepEqual(encodeLegacyRequest("TopSecret!"), bytes("TopSecret!"));
});

Deno.test("createLegacyCheck() takes the password with one NUL, LF or CRLF behind it", () => {
  const check = createLegacyCheck("TopSecret!");
  for (const end of ["", "\0", "\n", "\r\n"]) assert.ok(check(bytes(`TopSecret!${end}`)), `${end}`);
});

Deno.test("createLegacyCheck() refuses everything else", () => {
  const check = createLegacyCheck("TopSecret!");
  const others = ["", "TopSecret", "topsecret!", "TopSecret!!", " TopSecret!", "\n", "\0", "\r\n"];
  for (const end of ["\r", "\n\n", "\0\0", "\n\0", "\r\0", "\r\n\r\n", "\n\r", " "]) {
    others.push(`TopSecret!${end}`);
  }
  for (const other of others) assert.equal(check(bytes(other)), false, JSON.stringify(other));
});

Deno.test("createLegacyCheck() refuses any change to the password's bytes", () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }),
      fc.uint8Array({ maxLength: 40 }),
      (password, other) => {
        const expected = encodeLegacyRequest(password);
        const check = createLegacyCheck(password);
        const text = other.toHex();
        const allowed = ["", "00", "0a", "0d0a"].some((end) => text === expected.toHex() + end);
        assert.equal(check(other), allowed);
        assert.ok(check(expected));
      },
    ),
  );
});

Deno.test("createLegacyCheck() takes a password that itself ends in a newline", () => {
  const check = createLegacyCheck("a\n");
  assert.ok(check(bytes("a\n")));
  assert.ok(check(bytes("a\n\n")));
  assert.equal(check(bytes("a")), false);
});

Deno.test("createLegacyCheck() refuses an empty password: it would accept any stray newline", () => {
  assert.throws(() => createLegacyCheck(""), RangeError);
});
