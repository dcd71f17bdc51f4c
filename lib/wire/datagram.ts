/** What request and ack have in common: where the first 112 bytes have what, and who they are. */

/** Default UDP port: ARPFL on a phone's keypad. */
export const defaultPort = 27735;

/** "ARPF" */
export const magic = 0x41525046;
export const version = 1;
export const requestType = 1;
export const ackType = 2;

/** Bytes before the list (of addresses in a request, of reports in an ack). */
export const headerLength = 112;
/** The most addresses a request may list: 1,226 bytes, never fragmented, IPv6 included. */
export const addressesMost = 61;

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

/** Four bytes as a number; on the receive path a view for each datagram would cost more. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] << 24 | bytes[offset + 1] << 16 | bytes[offset + 2] << 8 |
    bytes[offset + 3]) >>> 0;
}

/** A view on the bytes of a datagram, wherever they lie in their buffer. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
