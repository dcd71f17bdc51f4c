/**
 * What a datagram deserves, by docs/protocol.md alone: written from its tables a second time, over
 * node's own crypto, so that the attacked code and its judge don't share a mistake.
 */
import { Buffer } from "node:buffer";
import {
  createHash,
  createHmac,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  verify,
} from "node:crypto";
import type { RefusalReason } from "../../lib/receiver/accept.ts";
import type { AckFault } from "../../lib/wire/ack.ts";
import { smallOrderPoints } from "./datagrams.ts";

/** A router's key as the judge derives it from the 32 bytes of the public one. */
interface JudgedKey {
  readonly id: Uint8Array;
  readonly filter: Uint8Array;
  readonly ack: Uint8Array;
  readonly publicKey: KeyObject;
}

/** SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410). */
const spkiHead = Buffer.from("302a300506032b6570032100", "hex");

function importKey(publicKey: Uint8Array): KeyObject {
  const key = Buffer.concat([spkiHead, publicKey]);
  return createPublicKey({ key, format: "der", type: "spki" });
}

/** The id, the two derived keys, and what checks signatures. */
export function judgedKey(publicKey: Uint8Array): JudgedKey {
  const derive = (use: string) =>
    new Uint8Array(hkdfSync("sha256", publicKey, "", `arpflush v2 ${use}`, 32));
  const hash = createHash("sha256").update("arpflush v2 key id").update(publicKey).digest();
  const [filter, ack] = [derive("filter"), derive("ack")];
  return { id: hash.subarray(0, 4), filter, ack, publicKey: importKey(publicKey) };
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

/** What a host knows besides the datagram. */
export interface JudgedHost {
  readonly keys: readonly JudgedKey[];
  /** Whether bytes are this host's challenge for the key, or may be. */
  readonly isChallenge: (challenge: Uint8Array, key: JudgedKey) => boolean;
  /** Whether a request of this id has been accepted, with other bytes. */
  readonly isKnownId: (id: Uint8Array) => boolean;
}

/**
 * Why a datagram must be refused as a request, by a host that lets its source in and whose tables
 * have room; null if it is authentic and makes sense, and so has to do with its time alone.
 */
export function requestRefusal(bytes: Uint8Array, host: JudgedHost): RefusalReason | null {
  const n = bytes[38];
  if (bytes.length < 232 || n > 55 || bytes.length !== 232 + 18 * n) return "length";
  if (!hasMagic(bytes)) return "magic";
  if (bytes[4] !== 2) return "version";
  if (bytes[5] !== 1) return "type";
  const [action, flags] = [bytes[6], bytes[7]];
  if (action > 2) return "action";
  if (![0, 1, 3].includes(flags)) return "flags";
  if ((n > 0) !== (action === 2 || flags === 3)) return "count";
  if (bytes[39] !== 0 || anyByte(bytes.subarray(112 + 18 * n, 152 + 18 * n))) return "reserved";
  const key = host.keys.find(({ id }) => same(bytes.subarray(8, 12), id));
  if (key === undefined) return "key";
  if (!same(bytes.subarray(-16), mac(key.filter, bytes.subarray(0, -16)))) return "filter";
  if (host.isKnownId(bytes.subarray(20, 36))) return "id reused";
  const challenge = bytes.subarray(40, 48);
  if (anyByte(challenge) && !host.isChallenge(challenge, key)) return "challenge";
  const message = Buffer.concat([
    Buffer.from("arpflush v2 request\0"),
    bytes.subarray(0, 152 + 18 * n),
  ]);
  if (!verify(null, message, key.publicKey, bytes.subarray(-80, -16))) return "signature";
  return makesSense(bytes, n) ? null : "content";
}

function makesSense(bytes: Uint8Array, n: number): boolean {
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
export function ackFault(
  bytes: Uint8Array,
  request: Uint8Array,
  key: JudgedKey,
): AckFault | "signature" | null {
  const m = bytes[7];
  if (bytes.length < 232 || m > 55 || bytes.length !== 232 + 8 * m) return "length";
  if (!hasMagic(bytes) || bytes[4] !== 2 || bytes[5] !== 2) return "header";
  if (!same(bytes.subarray(8, 12), key.id)) return "key";
  if (!same(bytes.subarray(20, 36), request.subarray(20, 36))) return "request id";
  const filter = request.subarray(-16);
  if (!same(bytes.subarray(-16), mac(key.ack, bytes.subarray(0, -16), filter))) return "mac";
  if (!isAnswer(bytes, request, m)) return "content";
  const hostKey = bytes.subarray(120 + 8 * m, 152 + 8 * m);
  if (!isPoint(hostKey)) return "host key";
  const message = Buffer.concat([
    Buffer.from("arpflush v2 ack\0"),
    bytes.subarray(0, 152 + 8 * m),
    filter,
  ]);
  const isRight = verify(null, message, importKey(hostKey), bytes.subarray(-80, -16));
  return isRight ? null : "signature";
}

function isAnswer(bytes: Uint8Array, request: Uint8Array, m: number): boolean {
  const [status, action, flags] = [bytes[6], request[6], request[7]];
  if (status < 1 || status > 5 || (flags & 1) === 0) return false;
  if (status === 1 && action !== 0 || (status === 2 || status === 5) && action === 0) return false;
  const asked = (flags & 2) !== 0 ? request[38] : 0;
  if (m !== (status === 3 || status === 4 ? 0 : asked)) return false;
  const name = bytes.subarray(48, 112);
  if (!isText(name)) return false;
  if (status === 3 && (anyByte(name) || !anyByte(bytes.subarray(40, 48)))) return false;
  for (let at = 120; at < 120 + 8 * m; at += 8) {
    const state = bytes[at];
    if (state > 4 || bytes[at + 1] > 3) return false;
    if (state !== 2 && state !== 3 && anyByte(bytes.subarray(at + 2, at + 8))) return false;
  }
  return true;
}

const prime = 2n ** 255n - 19n;
const square = (value: bigint) => value * value % prime;
/** d of the curve: -121665 / 121666. */
const d = (prime - 121665n) * power(121666n, prime - 2n) % prime;

function power(base: bigint, exponent: bigint): bigint {
  if (exponent === 0n) return 1n;
  const half = square(power(base, exponent / 2n));
  return exponent % 2n === 0n ? half : half * base % prime;
}

/** Whether 32 bytes are a point of the curve in its one spelling, and none of small order. */
function isPoint(bytes: Uint8Array): boolean {
  if (smallOrderPoints.some((point) => same(point, bytes))) return false;
  const y = BigInt(`0x${bytes.toReversed().toHex()}`) % 2n ** 255n;
  if (y >= prime) return false;
  const quotient = (square(y) + prime - 1n) * power(d * square(y) + 1n, prime - 2n) % prime;
  return power(quotient, (prime - 1n) / 2n) <= 1n;
}
