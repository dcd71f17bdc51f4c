/**
 * Ed25519 by WebCrypto, for the sender: it loads nothing, where `node:crypto` would cost 12 ms
 * before the first datagram.
 */
import { pkcs8Of } from "./keys.ts";

/** Signs by one seed. */
interface Signer {
  /** The 32 bytes that verify what it signs. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** A signer by a seed of 32 bytes. */
export async function createSigner(seed: Uint8Array): Promise<Signer> {
  const key = await crypto.subtle.importKey("pkcs8", pkcs8Of(seed), "Ed25519", true, ["sign"]);
  // The only way to a public key that WebCrypto has.
  const { x } = await crypto.subtle.exportKey("jwk", key);
  if (x === undefined) throw new Error("Cannot compute the public key: the runtime gave none");
  return {
    publicKey: Uint8Array.fromBase64(x, { alphabet: "base64url" }),
    sign: async (message) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, message)),
  };
}

/**
 * Whether a signature is the public key's for the message. The key must have been checked with
 * `publicKeyFault`: WebCrypto takes any. Never rejects.
 */
export async function verifySignature(
  publicKey: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, message);
  } catch {
    return false;
  }
}
