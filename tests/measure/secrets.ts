/** The key that benches and their peers share. It protects nothing. */
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** 32 bytes. */
export const benchSecret = new Uint8Array(32).fill(7);

/** Where the asker listens: a receiver tells it there when a flush starts. */
export const askerPort = 47_901;

/** The two keys that docs/protocol.md derives, for peers that don't. */
export function derivedKeys() {
  const derive = (purpose: string) =>
    hkdf(sha256, benchSecret, undefined, new TextEncoder().encode(`arpflush v1 ${purpose}`), 32);
  return { request: new Uint8Array(derive("request")), ack: new Uint8Array(derive("ack")) };
}

/** The derived keys as peers read them: two lines of hex. */
export function derivedKeysText(): string {
  const { request, ack } = derivedKeys();
  return `${request.toHex()}\n${ack.toHex()}\n`;
}
