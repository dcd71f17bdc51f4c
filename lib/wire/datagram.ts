/** Fields that request and ack share: their first 112 bytes, and how the fields are read. */

/** Default UDP port: ARPFL on a phone's keypad. */
export const defaultPort = 27735;

/** "ARPF" */
export const magic = 0x41525046;
export const version = 2;
export const requestType = 1;
export const ackType = 2;

/** Bytes before a request's list of addresses. */
export const headerLength = 112;
/** The most addresses a request may list: 1,222 bytes, never fragmented, IPv6 included. */
export const maxAddresses = 55;

/** Offsets that request and ack share. */
export const offsets = {
  magic: 0,
  version: 4,
  type: 5,
  keyId: 8,
  time: 12,
  id: 20,
  host: 48,
} as const;

/** Bytes of a request id. */
export const idLength = 16;
/** Bytes of a host's challenge. */
export const challengeLength = 8;

/** Four bytes as a number; on the receive path a view for each datagram would cost more. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] << 24 | bytes[offset + 1] << 16 | bytes[offset + 2] << 8 |
    bytes[offset + 3]) >>> 0;
}

/** Eight bytes as a number; what no number holds exactly is read as the largest one that is. */
export function readU64(bytes: Uint8Array, offset: number): number {
  const value = readU32(bytes, offset) * 2 ** 32 + readU32(bytes, offset + 4);
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}

/** Whether all bytes from `start` up to `end` are zero. */
export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** A view on the bytes of a datagram, wherever they lie in their buffer. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes of a host name field: UTF-8, zero padded, cut at a character boundary. */
const textFieldLength = 64;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes a text into `bytes` at an offset; what doesn't fit is cut before the character. */
export function writeTextField(bytes: Uint8Array, offset: number, text: string): void {
  const field = bytes.subarray(offset, offset + textFieldLength);
  field.fill(0);
  utf8.encodeInto(text, field);
}

/** Reads a field; null when it isn't UTF-8 or has a byte other than zero behind its first zero. */
export function readTextField(bytes: Uint8Array, offset: number): string | null {
  const last = offset + textFieldLength;
  let end = offset;
  let seen = 0;
  let ascii = "";
  for (; end < last && bytes[end] !== 0; end++) {
    seen |= bytes[end];
    ascii += String.fromCharCode(bytes[end]);
  }
  if (!isZero(bytes, end, last)) return null;
  // A host's name almost always is, and the decoder's call costs more than all the rest.
  if (seen < 0x80) return ascii;
  try {
    return strictUtf8.decode(bytes.subarray(offset, end));
  } catch {
    return null;
  }
}
