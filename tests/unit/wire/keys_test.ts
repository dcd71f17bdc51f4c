import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { createSyncSigner, isSignedBy } from "../../../lib/wire/ed25519_node.ts";
import { createSigner, verifySignature } from "../../../lib/wire/ed25519_web.ts";
import {
  createRouterKey,
  equalConstantTime,
  formatKey,
  formatSecretKeyFile,
  type KeyKind,
  keyKindOf,
  keyPrefix,
  parseKey,
  parseRouterKeys,
  parseSecretKeyFile,
  publicKeyFault,
  signedMessage,
} from "../../../lib/wire/keys.ts";
import { vectors } from "./vectors.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const publicText = (fill: number) =>
  formatKey("public", createSyncSigner(new Uint8Array(32).fill(fill)).publicKey);

Deno.test("createRouterKey() derives id and MACs as the protocol says", () => {
  fc.assert(
    fc.property(bytes32, fc.uint8Array(), (publicKey, text) => {
      const key = createRouterKey(publicKey);
      const id = createHash("sha256").update("arpflush v2 key id").update(publicKey).digest();
      assert.equal(key.idText, id.toString("hex").slice(0, 8));
      assert.equal(key.id.toHex(), key.idText);
      for (const purpose of ["filter", "ack"] as const) {
        const derived = hkdfSync("sha256", publicKey, "", `arpflush v2 ${purpose}`, 32);
        const mac = createHmac("sha256", new Uint8Array(derived)).update(text).digest();
        const own = purpose === "filter" ? key.filterMac : key.ackMac;
        assert.equal(own(text).toHex(), mac.toString("hex").slice(0, 32));
        assert.equal(own(text.subarray(0, 3), text.subarray(3)).toHex(), own(text).toHex());
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("createRouterKey() keeps a copy of the key's 32 bytes", () => {
  const publicKey = parseKey("public", vectors.public);
  const key = createRouterKey(publicKey);
  publicKey.fill(0);
  assert.equal(formatKey("public", key.publicKey), vectors.public);
  assert.throws(() => createRouterKey(new Uint8Array(31)), RangeError);
});

Deno.test("both signers make the golden public keys and the same signatures", async () => {
  const message = signedMessage("a context", Uint8Array.of(1), Uint8Array.of(2, 3));
  assert.deepEqual(message, new Uint8Array([...new TextEncoder().encode("a context"), 0, 1, 2, 3]));
  const seeds = [
    [parseKey("secret", vectors.secret), vectors.public, "public"],
    [Uint8Array.fromHex(vectors.hostSeed), vectors.hostPublic, "host"],
  ] as const;
  for (const [seed, text, kind] of seeds) {
    const web = await createSigner(seed);
    const node = createSyncSigner(seed);
    assert.equal(formatKey(kind, web.publicKey), text);
    assert.deepEqual(node.publicKey, web.publicKey);
    const signature = new Uint8Array(node.sign(message));
    assert.deepEqual(await web.sign(message), signature);
    const key = web.publicKey.slice();
    assert.ok(isSignedBy({ publicKey: key }, message, signature));
    assert.ok(await verifySignature(key, message, signature));
    signature[0] ^= 1;
    assert.ok(!isSignedBy({ publicKey: key }, message, signature));
    assert.ok(!await verifySignature(key, message, signature));
  }
});

Deno.test("verifySignature() is false for what can't be verified at all", async () => {
  const message = new Uint8Array(1);
  assert.equal(await verifySignature(new Uint8Array(31), message, new Uint8Array(64)), false);
  assert.equal(await verifySignature(new Uint8Array(32), message, new Uint8Array(1)), false);
});

/**
 * Signatures that only some verifiers take (of the message of one zero byte), made with the curve's
 * own arithmetic. A host and a router have to agree on them, and RFC 8032, 5.1.7 in its strict form
 * is what leaves a message one signature.
 */
const debatable = [
  {
    what: "that is right by the cofactored equation alone",
    publicKey: "6a84d583f06569edb3f5ed77df65544b27d6948b4f0b2cb76f33dd8413b20719",
    signature: "205b0f537994e4754a69d556e021685ffabc6150ec47b726dbce0a7f6ee57dbd" +
      "85ceaa8409b29637c986d35617209e35e86ed6f962a4e0c0d1f87af45de2a108",
  },
  {
    what: "whose R is not canonical",
    publicKey: "7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572",
    signature: "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" +
      "c1bd4c1cfbd290f0de9ce2c1679dd6971ac40261d576ff39a1acfd6e3ae2760b",
  },
];
for (const { what, publicKey, signature } of debatable) {
  Deno.test(`both verifiers refuse a signature ${what}`, async () => {
    const [key, bytes] = [Uint8Array.fromHex(publicKey), Uint8Array.fromHex(signature)];
    assert.equal(publicKeyFault(key), null);
    assert.equal(isSignedBy({ publicKey: key }, new Uint8Array(1), bytes), false);
    assert.equal(await verifySignature(key, new Uint8Array(1), bytes), false);
  });
}

Deno.test("formatKey() and parseKey() are a round trip for each kind", () => {
  fc.assert(fc.property(bytes32, (seed) => {
    assert.deepEqual(parseKey("secret", formatKey("secret", seed)), seed);
    const { publicKey } = createSyncSigner(seed);
    for (const kind of ["public", "host"] as const) {
      const text = formatKey(kind, publicKey);
      assert.match(text, /^arpflush-(public|host)-[A-Za-z0-9_-]{43}$/);
      assert.equal(text.slice(0, -43), keyPrefix(kind));
      assert.equal(keyKindOf(text), kind);
      assert.deepEqual(parseKey(kind, text), publicKey);
    }
  }));
});

for (const { public: text, why } of vectors.refusedKeys) {
  Deno.test(`parseKey() refuses the point ${text.slice(16, 24)}… as a router's and a host's`, () => {
    const fault = { "small order": /small order/, "not canonical": /canonical/ }[why] ??
      /not on the curve/;
    const body = text.slice("arpflush-public-".length);
    assert.throws(() => parseKey("public", text), fault);
    assert.throws(() => parseKey("host", `arpflush-host-${body}`), fault);
    assert.throws(() => parseRouterKeys([vectors.public, text]), /^Error: key 2 is no key/);
    // As a seed it would do as well as any other.
    assert.equal(parseKey("secret", `arpflush-secret-${body}`).length, 32);
  });
}

Deno.test("publicKeyFault() takes what a seed makes, and about half of all other bytes", () => {
  fc.assert(fc.property(bytes32, (seed) => {
    assert.equal(publicKeyFault(createSyncSigner(seed).publicKey), null);
  }));
  let onCurve = 0;
  for (let i = 0; i < 400; i++) {
    const bytes = new Uint8Array(32);
    bytes.set([i & 0xff, i >> 8, 77]);
    if (publicKeyFault(bytes) === null) onCurve++;
  }
  assert.ok(onCurve > 150 && onCurve < 250, `${onCurve} of 400`);
});

const texts: Record<KeyKind, string> = {
  secret: vectors.secret,
  public: vectors.public,
  host: vectors.hostPublic,
};
const misplaced: [KeyKind, KeyKind, RegExp][] = [
  ["public", "secret", /^this is a router's secret key: hosts need the router's public one$/],
  ["public", "host", /^this is a host's key: hosts need the router's public one$/],
  ["secret", "public", /^this is a router's public key: the sender signs with its secret one$/],
  ["secret", "host", /^this is a host's key: the sender signs with its secret one$/],
  ["host", "secret", /^this is a router's secret key: a pin is the host's own$/],
  ["host", "public", /^this is a router's public key: a pin is the host's own$/],
];

/** That an error's message is one line, matches, and has nothing of the key in it. */
function isDiscreet(message: RegExp, text: string) {
  return (error: Error) => {
    assert.match(error.message, message);
    assert.ok(!error.message.includes("\n"));
    for (const word of text.split(/\s+/)) {
      const body = word.replace(/^arpflush-[a-z]+-/, "");
      for (let i = 0; i + 6 <= body.length; i++) {
        if (/^[a-z]+$/.test(body.slice(i, i + 6))) continue;
        assert.ok(!error.message.includes(body.slice(i, i + 6)), error.message);
      }
    }
    return true;
  };
}

for (const [wanted, given, message] of misplaced) {
  Deno.test(`parseKey() says that a ${given} key was given where a ${wanted} one belongs`, () => {
    assert.throws(() => parseKey(wanted, texts[given]), isDiscreet(message, texts[given]));
  });
}

const unfit: [string, string, RegExp][] = [
  ["something else", "TopSecret!", /^this is not a router's public key \(arpflush-public- and 43/],
  ["42 characters", vectors.public.slice(0, -1), /^this is not whole: a router's public key is/],
  ["44 characters", `${vectors.public}A`, /^this is not whole/],
  ["spare bits", `${vectors.public.slice(0, -1)}h`, /^this is not whole/],
  ["base64 that isn't base64url", `${vectors.public.slice(0, -2)}/g`, /^this is not whole/],
  ["a space inside", vectors.public.replace(/.{9}$/, " $&"), /^this is not whole/],
  ["a space", ` ${vectors.public}`, /^this is not a router's public key/],
];
for (const [what, text, message] of unfit) {
  Deno.test(`parseKey() refuses ${what} without printing it`, () => {
    assert.throws(() => parseKey("public", text), isDiscreet(message, text));
  });
}

Deno.test("parseSecretKeyFile() takes comments, blank lines, CRLF and a byte order mark", () => {
  const seed = parseKey("secret", vectors.secret);
  const text = `\uFEFF# r1\r\n\r\n  ${vectors.secret} # of June\r\n`;
  assert.deepEqual(parseSecretKeyFile(text), seed);
});

const badFiles: [string, string, RegExp][] = [
  ["an empty file", "", /^it holds no key$/],
  ["comments alone", "# nothing\n", /^it holds no key$/],
  ["a public key", `#\n${vectors.public}`, /^line 2 is a router's public key: the sender signs/],
  ["a passphrase", "TopSecret!", /^line 1 is not a router's secret key/],
  ["a cut key", vectors.secret.slice(0, -3), /^line 1 is not whole/],
  [
    "two keys",
    `${vectors.secret}\n${vectors.secret}`,
    /^line 2 is a second key; a file holds one$/,
  ],
  ["two keys on a line", `${vectors.secret} ${vectors.secret}`, /^line 1 is not whole/],
];
for (const [what, text, message] of badFiles) {
  Deno.test(`parseSecretKeyFile() refuses ${what}, naming the line and not its content`, () => {
    assert.throws(() => parseSecretKeyFile(text), isDiscreet(message, text));
  });
}

Deno.test("formatSecretKeyFile() makes a file whose comment names the public key", () => {
  const seed = parseKey("secret", vectors.secret);
  const publicKey = parseKey("public", vectors.public);
  const text = formatSecretKeyFile(seed, publicKey, new Date("2026-11-23T10:00:00Z"));
  assert.deepEqual(parseSecretKeyFile(text), seed);
  const comments = text.split("\n").filter((line) => line.startsWith("#"));
  assert.match(comments.join("\n"), /2026-11-23(?!T)/);
  assert.ok(comments.some((line) => line.endsWith(` ${vectors.public}`)));
});

Deno.test("parseRouterKeys() finds each key by its id", () => {
  const router = parseRouterKeys([vectors.public, publicText(1), publicText(2)]);
  assert.equal(router.keys.length, 3);
  for (const key of router.keys) {
    assert.equal(router.find(Uint8Array.of(9, ...key.id), 1), key);
  }
  assert.equal(router.find(new Uint8Array(4), 0), undefined);
  assert.equal(parseRouterKeys([]).find(router.keys[0].id, 0), undefined);
});

Deno.test("parseRouterKeys() refuses a wrong text, two keys of one id and 65 keys", () => {
  assert.throws(() => parseRouterKeys([vectors.public, vectors.secret]), {
    message: "key 2 is a router's secret key: hosts need the router's public one",
  });
  assert.throws(() => parseRouterKeys([publicText(1), vectors.public, vectors.public]), {
    message: `key 3 has the id ${vectors.keyId} of key 2`,
  });
  assert.throws(
    () => parseRouterKeys([vectors.public, vectors.public]),
    /^Error: key 2 has the id/,
  );
  const many = Array.from({ length: 65 }, (_, i) => publicText(i));
  assert.equal(parseRouterKeys(many.slice(0, 64)).keys.length, 64);
  assert.throws(() => parseRouterKeys(many), { message: "65 keys are more than 64" });
});

Deno.test("equalConstantTime() is equality", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), fc.nat(), (a, b, position) => {
    assert.ok(equalConstantTime(a, a.slice()));
    assert.equal(equalConstantTime(a, b), a.toHex() === b.toHex());
    if (a.length === 0) return;
    const changed = a.slice();
    changed[position % a.length] ^= 1 << (position % 8);
    assert.equal(equalConstantTime(a, changed), false);
    assert.equal(equalConstantTime(a, a.subarray(1)), false);
  }));
});
