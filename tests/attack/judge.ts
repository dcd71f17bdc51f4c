/**
 * What a datagram deserves, by docs/protocol.md alone: written from its tables a second time, over
 * node's own crypto, so that the attacked code and its judge don't share a mistake.
 */
import { Buffer } from "node:buffer";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import type { RefusalReason } from "../../lib/receiver/accept.ts";
import type { AckFault } from "../../lib/wire/ack.ts";

/** A key as the judge derives it from its 32 bytes. */
export interface JudgedKey {
  readonly id: Uint8Array;
  readonly request: Uint8Array;
  readonly ack: Uint8Array;
}

/** The id and the two derived keys. */
export function judgedKey(secret: Uint8Array): JudgedKey {
  const derive = (use: string) =>
    new Uint8Array(hkdfSync("sha256", secret, "", `arpflush v1 ${use}`, 32));
  const hash = createHash("sha256").update("arpflush v1 key id").update(secret).digest();
  return { id: hash.subarray(0, 4), request: derive("request"), ack: derive("ack") };
}

/** HMAC-SHA-256-128 of the parts. */
function mac(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const state = createHmac("sha256", key);
  for (const part of parts) state.update(part);
  return state.digest().subarray(0, 16);
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
const anyByte = (bytes: Uint8Array) => bytes.some((byte) => byte !== 0);
const hasMagic = (bytes: Uint8Array) => same(bytes.subarray(0, 4), Buffer.from("ARPF"));

/** Whether 64 bytes are UTF-8 with nothing but zeros behind the first zero. */
function isText(field: Uint8Array): boolean {
  const zero = field.indexOf(0);
  const end = zero < 0 ? 64 : zero;
  if (anyByte(field.subarray(end))) return false;
  const text = Buffer.from(field.subarray(0, end));
  return same(Buffer.from(text.toString("utf8"), "utf8"), text);
}

/**
 * Why a datagram must be refused as a request, by a host that holds this key and lets its source
 * in; null if it is authentic and makes sense, and so has to do with its id and time alone.
 */
export function requestRefusal(bytes: Uint8Array, key: JudgedKey): RefusalReason | null {
  const n = bytes[38];
  if (bytes.length < 128 || n > 61 || bytes.length !== 128 + 18 * n) return "length";
  if (!hasMagic(bytes)) return "magic";
  if (bytes[4] !== 1) return "version";
  if (bytes[5] !== 1) return "type";
  if (bytes[7] > 3 || anyByte(bytes.subarray(39, 48))) return "reserved";
  if (!same(bytes.subarray(8, 12), key.id)) return "key";
  if (!same(bytes.subarray(-16), mac(key.request, bytes.subarray(0, -16)))) return "mac";
  return makesSense(bytes, n) ? null : "content";
}

function makesSense(bytes: Uint8Array, n: number): boolean {
  const [action, flags] = [bytes[6], bytes[7]];
  if (action > 2 || flags === 2 || (n > 0) !== (action === 2 || flags === 3)) return false;
  if (!isText(bytes.subarray(48, 112))) return false;
  for (let at = 112; at < 112 + 18 * n; at += 18) {
    const [family, length] = [bytes[at], bytes[at + 1]];
    if (family !== 4 && family !== 6 || length > (family === 4 ? 32 : 128)) return false;
    for (let bit = length; bit < 128; bit++) {
      if ((bytes[at + 2 + (bit >> 3)] & 0x80 >> (bit & 7)) !== 0) return false;
    }
  }
  return true;
}

/** Whether a datagram is that of 2009: the password, with nothing or one NUL, LF or CRLF behind. */
export function isPassword(bytes: Uint8Array, password: string): boolean {
  return ["", "\0", "\n", "\r\n"].some((end) => same(bytes, Buffer.from(password + end)));
}

/** Why a datagram must not count as an ack to these bytes of a request, or null. */
export function ackFault(bytes: Uint8Array, request: Uint8Array, key: JudgedKey): AckFault | null {
  const m = bytes[7];
  if (bytes.length < 128 || m > 61 || bytes.length !== 128 + 8 * m) return "length";
  if (!hasMagic(bytes) || bytes[4] !== 1 || bytes[5] !== 2) return "header";
  if (!same(bytes.subarray(8, 12), key.id)) return "key";
  if (!same(bytes.subarray(20, 36), request.subarray(20, 36))) return "request id";
  const right = mac(key.ack, bytes.subarray(0, -16), request.subarray(-16));
  if (!same(bytes.subarray(-16), right)) return "mac";
  const asked = (request[7] & 2) !== 0 ? request[38] : 0;
  const reported = bytes[6] === 1 || bytes[6] === 2;
  if (bytes[6] < 1 || bytes[6] > 4 || m !== (reported ? asked : 0)) return "content";
  if (!isText(bytes.subarray(48, 112))) return "content";
  for (let at = 112; at < 112 + 8 * m; at += 8) {
    const state = bytes[at];
    if (state > 3 || bytes[at + 1] !== 0) return "content";
    if (state < 2 && anyByte(bytes.subarray(at + 2, at + 8))) return "content";
  }
  return null;
}
