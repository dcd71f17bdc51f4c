/**
 * Keys and what follows from them. A router signs with a seed that never leaves it; hosts hold its
 * public key, and from that everybody derives the key id, the filter key and the ack key. A host
 * signs its acks with a seed of its own. Texts and derivations are in docs/protocol.md; the
 * signatures themselves are made and checked by ed25519_web.ts (sender) and ed25519_node.ts
 * (service).
 *
 * No error text contains any part of a key.
 */
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { messageOf } from "../errors.ts";
import { contentLines } from "../text.ts";
import { readU32 } from "./datagram.ts";

/** Bytes of a seed and of a public key. */
export const keyLength = 32;
/** Bytes of an Ed25519 signature. */
export const signatureLength = 64;
const keyIdLength = 4;
/** How many routers' keys a host may list. */
export const maxRouterKeys = 64;

const utf8 = new TextEncoder();

// Texts. All three have the form PREFIX + base64url, so that one given where another belongs is
// told from a typing error.

/** The three texts: a router's seed, its public key, a host's public key. */
export type KeyKind = "secret" | "public" | "host";

const keyTexts: Record<KeyKind, { prefix: string; name: string; belongs: string }> = {
  secret: {
    prefix: "arpflush-secret-",
    name: "a router's secret key",
    belongs: "the sender signs with its secret one",
  },
  public: {
    prefix: "arpflush-public-",
    name: "a router's public key",
    belongs: "hosts need the router's public one",
  },
  host: {
    prefix: "arpflush-host-",
    name: "a host's key",
    belongs: "a pin is the host's own",
  },
};

/** What the texts of a kind of key begin with. */
export function keyPrefix(kind: KeyKind): string {
  return keyTexts[kind].prefix;
}

/** The text of 32 bytes as a key of this kind. */
export function formatKey(kind: KeyKind, bytes: Uint8Array): string {
  return keyTexts[kind].prefix + bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The kind of key that a text begins like, whole or not; null if it begins like none. */
export function keyKindOf(text: string): KeyKind | null {
  for (const kind of ["secret", "public", "host"] as const) {
    if (text.startsWith(keyTexts[kind].prefix)) return kind;
  }
  return null;
}

/**
 * The 32 bytes of a key's text; a public key is a point that may be trusted. Throws an Error that
 * says what the text is instead, without the text: `this is a router's secret key: hosts need the
 * router's public one`.
 */
export function parseKey(kind: KeyKind, text: string): Uint8Array {
  const { prefix, name, belongs } = keyTexts[kind];
  const given = keyKindOf(text);
  if (given === null) throw new Error(`this is not ${name} (${prefix} and 43 characters)`);
  if (given !== kind) throw new Error(`this is ${keyTexts[given].name}: ${belongs}`);
  const bytes = decodeBase64Url(text.slice(prefix.length));
  if (bytes === null) {
    throw new Error(`this is not whole: ${name} is ${prefix} and 43 characters of base64url`);
  }
  const fault = kind === "secret" ? null : publicKeyFault(bytes);
  if (fault !== null) throw new Error(`this is no key that anybody can have made: ${fault}`);
  return bytes;
}

/** 32 bytes in base64url without padding, the spare bits of the last character zero; else null. */
function decodeBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) return null;
  try {
    // Strict decoding wants the padding. Not atob: its module is loaded at first use, which would
    // be before the sender's first datagram.
    return Uint8Array.fromBase64(`${text}=`, {
      alphabet: "base64url",
      lastChunkHandling: "strict",
    });
  } catch {
    return null;
  }
}

/**
 * The seed in a router's key file: one line, besides `#` comments and blank lines. Throws an Error
 * that names the line by its number: `line 2 is a second key; a file holds one`.
 */
export function parseSecretKeyFile(text: string): Uint8Array {
  let seed: Uint8Array | null = null;
  for (const { number, content } of contentLines(text)) {
    if (seed !== null) throw new Error(`line ${number} is a second key; a file holds one`);
    try {
      seed = parseKey("secret", content);
    } catch (error) {
      throw new Error(messageOf(error).replace(/^this/, `line ${number}`));
    }
  }
  if (seed === null) throw new Error("it holds no key");
  return seed;
}

/** A router's key file: its seed, under a comment with the public key and the day (UTC). */
export function formatSecretKeyFile(seed: Uint8Array, publicKey: Uint8Array, made: Date): string {
  return [
    `# ArpFlush key of a router, made ${made.toISOString().slice(0, 10)}; keep it secret.`,
    `# Hosts obey it by its public key: ${formatKey("public", publicKey)}`,
    formatKey("secret", seed),
    "",
  ].join("\n");
}

// Points. The runtime imports any 32 bytes as a public key and then verifies signatures under it
// that nobody made: under a point of small order a constant one is right for a message in eight.

/** The field's prime, 2^255 - 19. */
const prime = 2n ** 255n - 19n;
/** The curve -x² + y² = 1 + d x² y² (RFC 8032, 5.1). */
const d = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
/** y of four of the eight points of small order, a root of d y⁴ + 2 y² = 1; so is minus this. */
const ofOrder8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const smallOrder = new Set([0n, 1n, prime - 1n, ofOrder8, prime - ofOrder8]);

/** Why 32 bytes are refused as anybody's public key, or null. About 35 us. */
export function publicKeyFault(
  bytes: Uint8Array,
): "not a canonical point" | "a point of small order" | "not on the curve" | null {
  const sign = bytes[keyLength - 1] >> 7;
  const y = BigInt(`0x${bytes.toReversed().toHex()}`) & (2n ** 255n - 1n);
  if (y >= prime) return "not a canonical point";
  // Where y is 1 or -1, x is 0, which has no negative.
  if (sign === 1 && (y === 1n || y === prime - 1n)) return "not a canonical point";
  if (smallOrder.has(y)) return "a point of small order";
  // x² = u/v. It has a root when u/v is a square, which it is when u v is (Euler's criterion).
  const ySquared = y * y % prime;
  const u = ySquared - 1n + prime;
  const v = d * ySquared + 1n;
  return power(u * v % prime, (prime - 1n) / 2n) === 1n ? null : "not on the curve";
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = result * base % prime;
    base = base * base % prime;
  }
  return result;
}

/** What follows from a router's public key. The MACs are derived at first use. */
export interface RouterKey {
  readonly publicKey: Uint8Array;
  /** First 4 bytes of SHA-256("arpflush v2 key id" || public key). */
  readonly id: Uint8Array;
  /** The id in hex, for people. */
  readonly idText: string;
  /** The request's filter: HMAC under HKDF-SHA-256(public key, no salt, "arpflush v2 filter"). */
  readonly filterMac: Mac;
  /** The ack's MAC: HMAC under HKDF-SHA-256(public key, no salt, "arpflush v2 ack"). */
  readonly ackMac: Mac;
}

/** A router's key from the 32 bytes of its public key, which are copied and not checked. */
export function createRouterKey(publicKey: Uint8Array): RouterKey {
  if (publicKey.length !== keyLength) throw new RangeError(`A public key has ${keyLength} bytes`);
  const own = publicKey.slice();
  const id = sha256.create().update(utf8.encode("arpflush v2 key id")).update(own).digest()
    .slice(0, keyIdLength);
  const derive = (purpose: string) =>
    createMac(hkdf(sha256, own, undefined, utf8.encode(`arpflush v2 ${purpose}`), 32));
  let filterMac: Mac | undefined;
  let ackMac: Mac | undefined;
  return {
    publicKey: own,
    id,
    idText: id.toHex(),
    get filterMac() {
      return filterMac ??= derive("filter");
    },
    get ackMac() {
      return ackMac ??= derive("ack");
    },
  };
}

/** The routers' keys that a host obeys. */
export interface RouterKeys {
  readonly keys: readonly RouterKey[];
  /** The key with the id in bytes `offset` to `offset + 3`, or undefined. No view: it would cost more. */
  find(bytes: Uint8Array, offset: number): RouterKey | undefined;
}

/**
 * The keys of public texts, 64 at most. Throws an Error that names the text by its place, the first
 * is 1: `key 2 is a router's secret key: hosts need the router's public one`.
 */
export function parseRouterKeys(texts: readonly string[]): RouterKeys {
  if (texts.length > maxRouterKeys) {
    throw new Error(`${texts.length} keys are more than ${maxRouterKeys}`);
  }
  const byId = new Map<number, RouterKey>();
  texts.forEach((text, index) => {
    let key: RouterKey;
    try {
      key = createRouterKey(parseKey("public", text));
    } catch (error) {
      throw new Error(messageOf(error).replace(/^this/, `key ${index + 1}`));
    }
    const id = readU32(key.id, 0);
    const earlier = [...byId.keys()].indexOf(id);
    if (earlier >= 0) {
      throw new Error(`key ${index + 1} has the id ${key.idText} of key ${earlier + 1}`);
    }
    byId.set(id, key);
  });
  return {
    keys: [...byId.values()],
    find: (bytes, offset) => byId.get(readU32(bytes, offset)),
  };
}

/** Signs by one seed, at once. */
export interface SyncSigner {
  /** The 32 bytes that verify what it signs. */
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** A seed as the runtime imports it: PKCS #8 (RFC 8410). */
export function pkcs8Of(seed: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(...Uint8Array.fromHex("302e020100300506032b657004220420"), ...seed);
}

/** What an Ed25519 signature covers: the context's text, one zero byte, then the parts. */
export function signedMessage(context: string, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, context.length + 1);
  const message = new Uint8Array(length);
  utf8.encodeInto(context, message);
  let at = context.length + 1;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

/** Bytes of a filter and of an ack's MAC on the wire: HMAC-SHA-256-128 (RFC 2104). */
export const macLength = 16;

/**
 * Computes the MAC over the concatenation of its parts: 16 bytes, which the next call of the same
 * function overwrites.
 */
export type Mac = (...parts: Uint8Array[]) => Uint8Array;

/** A MAC function for one key of any length. Its keyed state is computed once. */
export function createMac(key: Uint8Array): Mac {
  const keyed = hmac.create(sha256, key);
  // One state and one digest for all messages: making new ones takes longer than hashing a block.
  const state = keyed.clone();
  const digest = new Uint8Array(sha256.outputLen);
  const mac = digest.subarray(0, macLength);
  return (...parts) => {
    keyed._cloneInto(state);
    for (const part of parts) state.update(part);
    state.digestInto(digest);
    return mac;
  };
}

/** Compares without a branch on content: the time depends on the lengths alone. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}
