/**
 * The 64-byte text fields of the datagrams: UTF-8, zero padded, cut at a character boundary.
 */

/** Bytes of a host name field. */
export const textFieldLength = 64;

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
  for (let i = end; i < last; i++) if (bytes[i] !== 0) return null;
  // A host's name almost always is, and the decoder's call costs more than all the rest.
  if (seen < 0x80) return ascii;
  try {
    return strictUtf8.decode(bytes.subarray(offset, end));
  } catch {
    return null;
  }
}

/** A name for a terminal or a log: control, format and line separator characters become `?`. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
