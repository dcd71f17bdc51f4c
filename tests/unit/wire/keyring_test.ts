import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { createKey, createKeyring, generateKeyFile, parseKeyFile } from "../../../lib/wire/keys.ts";
import { vectors } from "./vectors.ts";

const base64 = (fill: number) => new Uint8Array(32).fill(fill).toBase64();

Deno.test("createKey() derives id and MACs as the protocol says", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array(),
      (secret, text) => {
        const key = createKey(secret);
        const id = createHash("sha256").update("arpflush v1 key id").update(secret).digest();
        assert.equal(key.idText, id.toString("hex").slice(0, 8));
        assert.equal(key.id.toHex(), key.idText);
        for (const purpose of ["request", "ack"] as const) {
          const derived = hkdfSync("sha256", secret, "", `arpflush v1 ${purpose}`, 32);
          const mac = createHmac("sha256", new Uint8Array(derived)).update(text).digest();
          const own = purpose === "request" ? key.requestMac : key.ackMac;
          assert.equal(own(text).toHex(), mac.toString("hex").slice(0, 32));
          assert.equal(own(text.subarray(0, 3), text.subarray(3)).toHex(), own(text).toHex());
        }
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("createKey() makes the golden key id and keeps a copy of the secret", () => {
  const secret = Uint8Array.fromBase64(vectors.key);
  const key = createKey(secret);
  assert.equal(key.idText, vectors.keyId);
  secret.fill(0);
  assert.deepEqual(key.requestMac(), createKey(Uint8Array.fromBase64(vectors.key)).requestMac());
});

Deno.test("createKey() derives each MAC once", () => {
  const key = createKey(new Uint8Array(32));
  assert.equal(key.requestMac, key.requestMac);
  assert.equal(key.ackMac, key.ackMac);
});

Deno.test("createKey() refuses any other length", () => {
  for (const length of [0, 31, 33]) assert.throws(() => createKey(new Uint8Array(length)));
});

Deno.test("parseKeyFile() takes comments, blank lines, CRLF and a byte order mark", () => {
  const text = `\uFEFF# new\r\n${base64(1)} # from June\r\n\r\n  ${base64(2)}  \n`;
  const ring = parseKeyFile(text);
  assert.equal(ring.keys.length, 2);
  assert.equal(ring.signing, ring.keys[0]);
  for (const key of ring.keys) assert.equal(ring.find(key.id), key);
  assert.equal(ring.find(Uint8Array.of(9, ...ring.keys[1].id), 1), ring.keys[1]);
  assert.equal(ring.find(new Uint8Array(4)), undefined);
});

const bad: [string, string, RegExp][] = [
  ["an empty file", "", /^it holds no key$/],
  ["comments alone", "# nothing\n", /^it holds no key$/],
  ["31 bytes", new Uint8Array(31).toBase64(), /^line 1 is not a key \(32 bytes in base64\)$/],
  ["33 bytes", new Uint8Array(33).toBase64(), /^line 1 is not a key/],
  ["base64 without padding", base64(1).slice(0, -1), /^line 1 is not a key/],
  ["base64 with stray bits", `${base64(1).slice(0, -2)}F=`, /^line 1 is not a key/],
  ["base64url", base64(0xff).replaceAll("/", "_"), /^line 1 is not a key/],
  ["two keys on a line", `${base64(1)} ${base64(2)}`, /^line 1 is not a key/],
  ["a passphrase", `${base64(1)}\nTopSecret!`, /^line 2 is not a key/],
  ["a key twice", `${base64(1)}\n#\n${base64(1)}`, /^line 3 repeats key [0-9a-f]{8} of line 1$/],
];
for (const [what, text, message] of bad) {
  Deno.test(`parseKeyFile() refuses ${what}, naming the line and not its content`, () => {
    assert.throws(() => parseKeyFile(text), (error: Error) => {
      assert.match(error.message, message);
      for (const line of text.split("\n")) {
        const content = line.replace(/#.*/, "").trim();
        assert.ok(content === "" || !error.message.includes(content));
      }
      return true;
    });
  });
}

Deno.test("createKeyring() refuses to be empty", () => {
  assert.throws(() => createKeyring([]), RangeError);
});

Deno.test("generateKeyFile() makes a new key each time, which parseKeyFile() reads", () => {
  const now = new Date("2026-11-23T10:00:00Z");
  const [a, b] = [generateKeyFile(now), generateKeyFile(now)];
  assert.notEqual(a, b);
  const { idText } = parseKeyFile(a).signing;
  assert.equal(a.split("\n")[0], `# ArpFlush key ${idText}, made 2026-11-23; keep it secret`);
});
