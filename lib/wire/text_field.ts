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
  const field = bytes.subarray(offset, offset + textFieldLength);
  const end = field.indexOf(0);
  const length = end < 0 ? textFieldLength : end;
  if (field.subarray(length).some(Boolean)) return null;
  try {
    return strictUtf8.decode(field.subarray(0, length));
  } catch {
    return null;
  }
}

/** A name for a terminal or a log: control, format and line separator characters become `?`. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
