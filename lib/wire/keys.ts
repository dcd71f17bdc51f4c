/**
 * Key file text to keys. A file holds one key a line: 32 bytes in base64; `#` starts a comment and
 * blank lines are allowed. The first key signs, every key verifies, which is how keys are rotated.
 * No error text contains any part of a key.
 */
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { contentLines } from "../text.ts";
import { readU32 } from "./datagram.ts";

const keyLength = 32;
const keyIdLength = 4;

/** One shared key. The MACs are derived at first use, so a sender never derives what it won't need. */
export interface Key {
  /** First 4 bytes of SHA-256("arpflush v1 key id" || key). */
  readonly id: Uint8Array;
  /** The id in hex, for people. Says nothing of use about the key. */
  readonly idText: string;
  /** Signs requests: HMAC under HKDF-SHA-256(key, no salt, "arpflush v1 request"). */
  readonly requestMac: Mac;
  /** Signs acks: HMAC under HKDF-SHA-256(key, no salt, "arpflush v1 ack"). */
  readonly ackMac: Mac;
}

/** Keys by use. */
export interface Keyring {
  /** The file's first key. */
  readonly signing: Key;
  readonly keys: readonly Key[];
  /** The key with the id in bytes `offset` to `offset + 3`, or undefined. */
  find(bytes: Uint8Array, offset?: number): Key | undefined;
}

const utf8 = new TextEncoder();

function deriveMac(secret: Uint8Array, purpose: string): Mac {
  return createMac(hkdf(sha256, secret, undefined, utf8.encode(`arpflush v1 ${purpose}`), 32));
}

/** A key from its 32 secret bytes, which are copied. */
export function createKey(secret: Uint8Array): Key {
  if (secret.length !== keyLength) throw new RangeError(`A key has ${keyLength} bytes`);
  const own = secret.slice();
  const id = sha256.create().update(utf8.encode("arpflush v1 key id")).update(own).digest()
    .slice(0, keyIdLength);
  let requestMac: Mac | undefined;
  let ackMac: Mac | undefined;
  return {
    id,
    idText: readU32(id, 0).toString(16).padStart(8, "0"),
    get requestMac() {
      return requestMac ??= deriveMac(own, "request");
    },
    get ackMac() {
      return ackMac ??= deriveMac(own, "ack");
    },
  };
}

/** A keyring of at least one key; the first one signs. */
export function createKeyring(keys: readonly Key[]): Keyring {
  if (keys.length === 0) throw new RangeError("A keyring needs a key");
  const byId = new Map(keys.map((key) => [readU32(key.id, 0), key]));
  return {
    signing: keys[0],
    keys,
    find: (bytes, offset = 0) => byId.get(readU32(bytes, offset)),
  };
}

/** The 32 bytes of one base64 line in canonical form, or null. */
function decodeKeyLine(line: string): Uint8Array | null {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(line)) return null;
  try {
    // Not atob: its module is loaded at first use, before the sender's first datagram.
    return Uint8Array.fromBase64(line, { lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}

/**
 * The keys of a key file's text, in its order. Throws an Error that names the line by its number,
 * without its content: `line 2 is not a key (32 bytes in base64)`.
 */
export function parseKeyFile(text: string): Keyring {
  const keys: Key[] = [];
  const lineOfId = new Map<string, number>();
  for (const { number, content } of contentLines(text)) {
    const secret = decodeKeyLine(content);
    if (secret === null) throw new Error(`line ${number} is not a key (32 bytes in base64)`);
    const key = createKey(secret);
    const earlier = lineOfId.get(key.idText);
    if (earlier !== undefined) {
      throw new Error(`line ${number} repeats key ${key.idText} of line ${earlier}`);
    }
    lineOfId.set(key.idText, number);
    keys.push(key);
  }
  if (keys.length === 0) throw new Error("it holds no key");
  return createKeyring(keys);
}

/** A new key file's text: one random key with a comment that names its id and the day (UTC). */
export function generateKeyFile(now: Date): string {
  const secret = crypto.getRandomValues(new Uint8Array(keyLength));
  const { idText } = createKey(secret);
  const line = btoa(String.fromCharCode(...secret));
  return `# ArpFlush key ${idText}, made ${
    now.toISOString().slice(0, 10)
  }; keep it secret\n${line}\n`;
}

// HMAC-SHA-256-128: the first 16 bytes of HMAC-SHA-256 (RFC 2104), and the comparison that goes with it. The keyed state is computed once and copied for each message.

/** Bytes of a MAC on the wire. */
export const macLength = 16;

/**
 * Computes the MAC over the concatenation of its parts: 16 bytes, which the next call of the same
 * function overwrites.
 */
export type Mac = (...parts: Uint8Array[]) => Uint8Array;

/** A MAC function for one key of any length. */
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
