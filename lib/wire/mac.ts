/**
 * HMAC-SHA-256-128: the first 16 bytes of HMAC-SHA-256 (RFC 2104), and the comparison that goes
 * with it. The keyed state is computed once and copied for each message.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

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
