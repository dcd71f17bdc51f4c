/** Changes to datagrams that attacks on requests and on acks have in common. */
import type { Random } from "./random.ts";

/** A copy with some of its bits flipped. */
export function flipped(
  bytes: Uint8Array,
  ...bits: readonly number[]
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  for (const bit of bits) copy[bit >> 3] ^= 0x80 >> (bit & 7);
  return copy;
}

/** A copy with other bytes from an offset on. */
export function replaced(
  bytes: Uint8Array,
  offset: number,
  ...values: readonly number[]
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  copy.set(values, offset);
  return copy;
}

/** Both, one behind the other. */
export function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Every beginning that is shorter. */
export function* truncations(bytes: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length);
}

/** Everything longer, up to a length: by zeros, by random bytes, by its own beginning. */
export function* extensions(
  bytes: Uint8Array,
  random: Random,
  longest: number,
): Generator<Uint8Array<ArrayBuffer>> {
  for (let length = bytes.length + 1; length <= longest; length++) {
    const more = length - bytes.length;
    const zeros = joined(bytes, new Uint8Array(more));
    yield zeros;
    yield joined(bytes, random.bytes(more));
    yield zeros.map((_, i) => bytes[i % bytes.length]);
  }
}

/** Every copy with one bit flipped. */
export function* oneBitFlips(bytes: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  for (let bit = 0; bit < 8 * bytes.length; bit++) yield flipped(bytes, bit);
}

/** A copy with two different bits flipped. */
export function twoBitFlip(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const bits = 8 * bytes.length;
  const first = random.below(bits);
  const second = (first + 1 + random.below(bits - 1)) % bits;
  return flipped(bytes, first, second);
}
