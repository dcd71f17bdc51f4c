/**
 * The 2009 datagram: the password's bytes and nothing else. Anyone on the wire can read and repeat
 * it; it is off unless a password is configured.
 */
import { equalConstantTime } from "./keys.ts";

const NUL = 0, LF = 10, CR = 13;

/** The datagram of the 2009 client: the password in UTF-8, without a terminator. */
export function encodeLegacyRequest(password: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(password);
}

/**
 * A checker for one password: true when a datagram is the password, one trailing NUL, LF or CRLF
 * tolerated. Each candidate is compared in constant time. The password must not be empty.
 */
export function createLegacyCheck(password: string): (bytes: Uint8Array) => boolean {
  if (password === "") throw new RangeError("A legacy password must not be empty");
  const expected = encodeLegacyRequest(password);
  return (bytes) => {
    const last = bytes[bytes.length - 1];
    const terminator = last === NUL || last === LF
      ? (last === LF && bytes[bytes.length - 2] === CR ? 2 : 1)
      : 0;
    // A password may itself end in a terminator's byte: compare with and without.
    const whole = equalConstantTime(bytes, expected);
    const cut = equalConstantTime(bytes.subarray(0, bytes.length - terminator), expected);
    return whole || cut;
  };
}
