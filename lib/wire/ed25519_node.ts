/**
 * Ed25519 by `node:crypto`, for the service: synchronous, so that nothing can come between the
 * check of a signature and the memory of the request. The sender must not load this file.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { pkcs8Of, type RouterKey, type SyncSigner } from "./keys.ts";

/** Public keys as the runtime keeps them: making one takes as long as checking a signature. */
const imported = new WeakMap<Uint8Array, KeyObject>();

/**
 * Whether a signature is the public key's for a message; about 30 us. The key must have been checked
 * with `publicKeyFault`: the runtime takes any.
 */
export function isSignedBy(
  { publicKey }: Pick<RouterKey, "publicKey">,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  let key = imported.get(publicKey);
  if (key === undefined) {
    const x = publicKey.toBase64({ alphabet: "base64url", omitPadding: true });
    key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    imported.set(publicKey, key);
  }
  return verify(null, message, key, signature);
}

/** A signer by a seed of 32 bytes. */
export function createSyncSigner(seed: Uint8Array): SyncSigner {
  const key = createPrivateKey({ key: Buffer.from(pkcs8Of(seed)), format: "der", type: "pkcs8" });
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return {
    publicKey: Uint8Array.fromBase64(x, { alphabet: "base64url" }),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}
