/**
 * Forged datagrams of every kind. Whoever makes them knows the format and has recorded genuine
 * requests; some kinds are signed with the right key, so that nothing but the one check that they
 * aim at stands in their way.
 */
import { createHash } from "node:crypto";
import { ackStatuses, encodeAck } from "../../lib/wire/ack.ts";
import { createKey, type Key } from "../../lib/wire/keys.ts";
import {
  extensions,
  flipped,
  joined,
  oneBitFlips,
  replaced,
  truncations,
  twoBitFlip,
} from "./bits.ts";
import { genuine, requestKinds } from "./genuine.ts";
import { isPassword } from "./judge.ts";
import type { Random } from "./random.ts";

/** A datagram that must be refused. */
export interface Forgery {
  readonly kind: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What the forger works with. */
export interface Forger {
  /** The right one, for the kinds that need it. */
  readonly key: Key;
  readonly password: string;
  readonly random: Random;
  /** The id of a request that was accepted a moment ago. */
  readonly acceptedId: () => Uint8Array;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Either every datagram there is, or a share of a million made by chance. */
type Recipe =
  | { readonly kind: string; readonly every: () => Iterable<Bytes> }
  | { readonly kind: string; readonly share: number; readonly make: () => Bytes };

/** The full attack. */
export const fullCount = 1_000_000;
/** Of each kind of request. */
const twoBitFlipsOfEach = 100_000;
const longest = 2_000;
const datagramMost = 65_507;
/** Copies of one recorded request before the next one is recorded, so that all of them are fresh. */
const perRecording = 500;

function recipes({ key, password, random, acceptedId }: Forger): Recipe[] {
  const other = createKey(random.bytes(32));
  const utf8 = new TextEncoder();
  const record = (i = random.below(requestKinds.length)) => genuine(requestKinds[i], key, random);
  const signedBy = ({ requestMac }: Pick<Key, "requestMac">, bytes: Bytes) =>
    joined(bytes.subarray(0, -16), requestMac(bytes.subarray(0, -16)));
  const signed = (bytes: Bytes) => signedBy(key, bytes);
  const withMac = (bytes: Bytes, mac: Uint8Array) => joined(bytes.subarray(0, -16), mac);
  const ofEachKind = (of: (bytes: Bytes) => Iterable<Bytes>) =>
    function* () {
      for (let i = 0; i < requestKinds.length; i++) yield* of(record(i));
    };

  function* foreign(offset: number, right: number): Generator<Bytes> {
    for (let i = 0; i < requestKinds.length; i++) {
      for (let value = 0; value < 256; value++) {
        if (value !== right) yield signed(replaced(record(i), offset, value));
      }
    }
  }
  function* reserved(bytes: Bytes): Generator<Bytes> {
    for (let flags = 4; flags < 256; flags++) yield signed(replaced(bytes, 7, flags));
    for (let at = 39; at < 48; at++) {
      for (let value = 1; value < 256; value++) yield signed(replaced(bytes, at, value));
    }
  }
  function* lies(bytes: Bytes): Generator<Bytes> {
    for (let n = 0; n < 256; n++) if (n !== bytes[38]) yield signed(replaced(bytes, 38, n));
  }
  function* lengths(): Generator<Bytes> {
    for (let length = 0; length <= longest; length++) {
      yield random.bytes(length);
      yield new Uint8Array(length);
      const head = record().slice(0, length);
      yield joined(head, random.bytes(length - head.length));
    }
  }
  function* passwords(): Generator<Bytes> {
    for (const bytes of nearPasswords()) if (!isPassword(bytes, password)) yield bytes;
  }
  function* nearPasswords(): Generator<Bytes> {
    const right = utf8.encode(password);
    yield* truncations(right);
    yield* oneBitFlips(right);
    yield* extensions(right, random, 200);
    const ends = ["\0\0", "\n\n", "\r", "\r\r", "\n\r", "\r\n\n", "\0\n", " ", password];
    for (const end of ends) yield utf8.encode(password + end);
    for (const text of [password.toUpperCase(), password.toLowerCase(), `\n${password}`]) {
      yield utf8.encode(text);
    }
  }

  /** A request with addresses, and where one of them begins. */
  function listed(): { readonly bytes: Bytes; readonly at: number } {
    const kinds = requestKinds.flatMap(({ addresses }, i) => addresses.length > 0 ? [i] : []);
    const bytes = record(random.pick(kinds));
    return { bytes, at: 112 + 18 * random.below(bytes[38]) };
  }
  function hostBits(): Bytes {
    const { bytes, at } = listed();
    const bits = bytes[at] === 4 ? 32 : 128;
    const length = random.below(bits);
    const host = length + random.below(128 - length);
    return signed(
      flipped(replaced(bytes, at + 1, length, ...new Uint8Array(16)), 8 * at + 16 + host),
    );
  }
  const nonsense: readonly (() => Bytes)[] = [
    () => replaced(record(), 6, 3 + random.below(253)),
    () => replaced(record(), 7, 2),
    () => replaced(record(random.below(2)), 6, 2),
    () => replaced(record(2 + 3 * random.below(2)), 7, 1),
    () => {
      const { bytes, at } = listed();
      return replaced(bytes, at, random.pick([0, 1, 2, 3, 5, 7, 255]));
    },
    () => {
      const { bytes, at } = listed();
      return replaced(bytes, at + 1, (bytes[at] === 4 ? 33 : 129) + random.below(127));
    },
    () => replaced(record(), 48, 0xc3, 0x28),
    () => replaced(record(), 48 + 10 + random.below(54), 1 + random.below(255)),
  ];
  const wrongMacs: readonly ((bytes: Bytes) => Uint8Array)[] = [
    () => new Uint8Array(16),
    () => new Uint8Array(16).fill(0xff),
    () => random.bytes(16),
    (bytes) => bytes.slice(-16).reverse(),
    () => record().slice(-16),
    (bytes) => createHash("sha256").update(bytes.subarray(0, -16)).digest().subarray(0, 16),
    (bytes) => key.ackMac(bytes.subarray(0, -16)),
    (bytes) => key.ackMac(bytes.subarray(0, -16), bytes.subarray(-16)),
    (bytes) => key.requestMac(bytes),
  ];
  function reflectedAck(): Bytes {
    const status = random.pick(ackStatuses);
    const none = { error: 0, entries: 0, micros: 0, host: "host", reports: [] };
    const id = random.bytes(16);
    return encodeAck({ ...none, status, clock: Date.now(), id }, key, random.bytes(16));
  }
  function twoBitFlips(i: number): Recipe {
    let recorded = record(i);
    let used = 0;
    const make = () => {
      if (++used % perRecording === 0) recorded = record(i);
      return twoBitFlip(recorded, random);
    };
    return { kind: "two bits flipped", share: twoBitFlipsOfEach, make };
  }

  return [
    { kind: "truncated", every: ofEachKind(truncations) },
    { kind: "extended", every: ofEachKind((bytes) => extensions(bytes, random, longest)) },
    { kind: "one bit flipped", every: ofEachKind(oneBitFlips) },
    ...requestKinds.map((_, i) => twoBitFlips(i)),
    {
      kind: "wrong key, right key id",
      share: 20_000,
      make: () => signedBy(other, record()),
    },
    {
      kind: "unknown key id",
      share: 10_000,
      make: () => signed(replaced(record(), 8, ...random.pick([other.id, random.bytes(4)]))),
    },
    {
      kind: "wrong MAC",
      share: 20_000,
      make: () => {
        const bytes = record();
        return withMac(bytes, random.pick(wrongMacs)(bytes));
      },
    },
    { kind: "foreign version, signed", every: () => foreign(4, 1) },
    { kind: "foreign type, signed", every: () => foreign(5, 1) },
    { kind: "reserved bytes, signed", every: ofEachKind(reserved) },
    { kind: "n that lies, signed", every: ofEachKind(lies) },
    { kind: "host bits set, signed", share: 10_000, make: hostBits },
    { kind: "contradictory, signed", share: 10_000, make: () => signed(random.pick(nonsense)()) },
    {
      kind: "id of another request, signed",
      share: 2_000,
      make: () => signed(replaced(record(), 20, ...acceptedId())),
    },
    { kind: "an ack, signed", share: 5_000, make: reflectedAck },
    { kind: "every length to 2,000", every: lengths },
    { kind: "wrong password", every: passwords },
    {
      kind: "longer than any packet",
      share: 100,
      make: () => joined(record(), random.bytes(datagramMost - 2_000 + random.below(700))),
    },
    {
      kind: "random behind a right header",
      share: 20_000,
      make: () => {
        const n = random.below(62);
        const bytes = random.bytes(128 + 18 * n);
        bytes.set(record().subarray(0, 12));
        bytes[38] = n;
        return bytes.fill(0, 39, 48);
      },
    },
    {
      kind: "random bytes",
      share: 30_000,
      make: () => random.bytes(random.below(1_401)),
    },
  ];
}

/**
 * At least `count` forgeries of all kinds, in their order; with fewer than a million of each kind
 * that can be counted out only every so many, and fewer of the others.
 */
export function* forgeries(forger: Forger, count: number): Generator<Forgery> {
  const scale = count / fullCount;
  const stride = Math.max(1, Math.floor(1 / scale));
  let made = 0;
  const all = recipes(forger);
  for (const recipe of all) {
    const { kind } = recipe;
    if ("every" in recipe) {
      let i = forger.random.below(stride);
      for (const bytes of recipe.every()) {
        if (i++ % stride !== 0) continue;
        made++;
        yield { kind, bytes };
      }
    } else {
      const wanted = Math.ceil(recipe.share * Math.min(scale, 1));
      for (let i = 0; i < wanted; i++, made++) yield { kind, bytes: recipe.make() };
    }
  }
  for (; made < count; made++) {
    const recipe = all[all.length - 1];
    if ("make" in recipe) yield { kind: recipe.kind, bytes: recipe.make() };
  }
}
