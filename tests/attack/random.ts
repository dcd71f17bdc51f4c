/** Random numbers that a seed repeats: xoshiro128**, by Blackman and Vigna. Not for secrets. */

/** A stream of random numbers. */
export interface Random {
  /** A whole number from 0 to `below - 1`. */
  below(below: number): number;
  /** Random bytes, newly allocated. */
  bytes(length: number): Uint8Array<ArrayBuffer>;
  /** One of these. */
  pick<Item>(items: readonly Item[]): Item;
}

/** The stream of a seed. */
export function createRandom(seed: number): Random {
  const state = new Uint32Array(4);
  // Splitmix32 spreads the seed, so that neighboring seeds give unlike streams.
  let spread = seed >>> 0;
  for (let i = 0; i < 4; i++) {
    spread = (spread + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(spread ^ spread >>> 16, 0x85ebca6b);
    mixed = Math.imul(mixed ^ mixed >>> 13, 0xc2b2ae35);
    state[i] = mixed ^ mixed >>> 16;
  }
  const rotate = (value: number, by: number) => (value << by | value >>> (32 - by)) >>> 0;

  function next(): number {
    const result = Math.imul(rotate(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 11);
    return result;
  }
  const below = (most: number) => Math.floor(next() / 0x1_0000_0000 * most);
  return {
    below,
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = next();
      return bytes;
    },
    pick: (items) => items[below(items.length)],
  };
}
