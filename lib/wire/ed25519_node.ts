/**
 * Ed25519 by `node:crypto`, for the service: synchronous, so that nothing can come between the
 * check of a signature and the memory of the request. The sender must not load this file.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { pkcs8Of, type RouterKey, type SyncSigner } from "./keys.ts";

const toBase64Url = (bytes: Uint8Array) =>
  bytes.toBase64({ alphabet: "base64url", omitPadding: true });

/** Whether a signature is right for a message. */
type Verify = (message: Uint8Array, signature: Uint8Array) => boolean;

/**
 * Checks signatures of one public key, which must have been checked with `publicKeyFault`: the
 * runtime takes any. About 30 us a signature.
 */
export function createVerifier(publicKey: Uint8Array): Verify {
  const key = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: toBase64Url(publicKey) },
    format: "jwk",
  });
  return (message, signature) => verify(null, message, key, signature);
}

const verifiers = new WeakMap<Uint8Array, Verify>();

/** Whether a signature is a router's for a message; what its key takes to check is made once. */
export function isSignedBy(
  { publicKey }: RouterKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  let verify = verifiers.get(publicKey);
  if (verify === undefined) verifiers.set(publicKey, verify = createVerifier(publicKey));
  return verify(message, signature);
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
