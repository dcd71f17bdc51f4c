/**
 * The classes of forged datagrams, a table for requests and one for acks. Whoever forges knows the format
 * and has recorded genuine datagrams; what is called signed has a right MAC, so that nothing but the one
 * check that it aims at stands in its way.
 */
import { createHash } from "node:crypto";
import { ackStatuses } from "../../lib/wire/ack.ts";
import { createKey, type Key } from "../../lib/wire/keys.ts";
import { signAck } from "../support/datagrams.ts";
import {
  type Bytes,
  extensions,
  flipped,
  genuine,
  joined,
  oneBitFlips,
  otherBytes,
  type Random,
  replaced,
  requestKinds,
  truncations,
  twoBitFlip,
  withMac,
} from "./datagrams.ts";
import { isPassword } from "./judge.ts";

/** A class: all datagrams of it that there are, or its share of the full attack, made by chance. */
export type AttackClass =
  | { readonly name: string; readonly every: () => Iterable<Bytes> }
  | { readonly name: string; readonly share: number; readonly make: () => Bytes };

/** The shares of the tables below are of so many. */
export const fullAttack = { requests: 1_000_000, acks: 100_000 } as const;

/**
 * At least `count` datagrams, at least one of each class. Of fewer than the full attack's number the
 * shares are smaller and only every so many of all is taken; the last class fills up.
 */
export function* draw(
  classes: readonly AttackClass[],
  { count, full, random }: { readonly count: number; readonly full: number; random: Random },
): Generator<{ readonly name: string; readonly bytes: Bytes }> {
  const stride = Math.max(1, Math.floor(full / count));
  let made = 0;
  for (const one of classes) {
    const { name } = one;
    if ("every" in one) {
      const offset = random.below(stride);
      let i = 0;
      for (const bytes of one.every()) {
        if (i++ > 0 && (i + offset) % stride !== 0) continue;
        made++;
        yield { name, bytes };
      }
    } else {
      const isLast = one === classes.at(-1);
      const share = Math.ceil(one.share * Math.min(1, count / full));
      for (let i = 0; i < share || isLast && made < count; i++, made++) {
        yield { name, bytes: one.make() };
      }
    }
  }
}

/** What forged requests are made with. */
export interface RequestForger {
  /** The right one, for the classes that need it. */
  readonly key: Key;
  readonly password: string;
  readonly random: Random;
  /** The id of a request that was accepted a moment ago. */
  readonly acceptedId: () => Uint8Array;
}

/** Copies of one recording before the next is recorded, so that all of them are fresh. */
const copiesOfRecording = 500;
/** No UDP datagram over IPv4 holds more. */
const maxDatagram = 65_507;

/** The name of the one class whose requests are refused for their id. */
export const idReusedClass = "id of another request, signed";

/** The classes of forged requests. */
export function requestClasses(
  { key, password, random, acceptedId }: RequestForger,
): AttackClass[] {
  const other = createKey(random.bytes(32));
  const record = (i = random.below(requestKinds.length)) => genuine(requestKinds[i], key);
  const signedBy = (by: Key, bytes: Bytes) => withMac(bytes, by.requestMac(bytes.subarray(0, -16)));
  const signed = (bytes: Bytes) => signedBy(key, bytes);
  const ofEachKind = (of: (bytes: Bytes) => Iterable<Bytes>) =>
    function* () {
      for (let i = 0; i < requestKinds.length; i++) yield* of(record(i));
    };
  const allSigned = (of: (bytes: Bytes) => Iterable<Bytes>) =>
    ofEachKind(function* (bytes) {
      for (const changed of of(bytes)) yield signed(changed);
    });

  function* reserved(bytes: Bytes) {
    yield* otherBytes(bytes, 7, (flags) => flags < 4);
    for (let at = 39; at < 48; at++) yield* otherBytes(bytes, at, (value) => value === 0);
  }
  function* lengths() {
    for (let length = 0; length <= 2_000; length++) {
      yield random.bytes(length);
      yield new Uint8Array(length);
      const head = record().slice(0, length);
      yield joined(head, random.bytes(length - head.length));
    }
  }
  function* nearPasswords() {
    const encode = (text: string) => new TextEncoder().encode(text);
    yield* truncations(encode(password));
    yield* oneBitFlips(encode(password));
    yield* extensions(encode(password), random, 200);
    const ends = ["\0\0", "\n\n", "\r", "\r\r", "\n\r", "\r\n\n", "\0\n", " ", password];
    for (const end of ends) yield encode(password + end);
    yield* [password.toUpperCase(), password.toLowerCase(), `\n${password}`].map(encode);
  }
  /** A request with addresses, and where one of them begins. */
  function listed() {
    const kinds = requestKinds.flatMap(({ addresses }, i) => addresses.length > 0 ? [i] : []);
    const bytes = record(random.pick(kinds));
    return { bytes, at: 112 + 18 * random.below(bytes[38]) };
  }
  function hostBits() {
    const { bytes, at } = listed();
    const length = random.below(bytes[at] === 4 ? 32 : 128);
    const host = length + random.below(128 - length);
    const network = replaced(bytes, at + 1, length, ...new Uint8Array(16));
    return signed(flipped(network, 8 * at + 16 + host));
  }
  const contradictions: readonly (() => Bytes)[] = [
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
  function twoBitFlips(i: number): AttackClass {
    let recorded = record(i);
    let used = 0;
    const make = () => {
      if (++used % copiesOfRecording === 0) recorded = record(i);
      return twoBitFlip(recorded, random);
    };
    return { name: "two bits flipped", share: 100_000, make };
  }
  function wrongMac() {
    const bytes = record();
    return withMac(bytes, random.pick(wrongMacs)(bytes));
  }
  function randomBody() {
    const n = random.below(62);
    const bytes = random.bytes(128 + 18 * n);
    bytes.set(record().subarray(0, 12));
    bytes[38] = n;
    return bytes.fill(0, 39, 48);
  }
  const otherId = () => random.pick([other.id, random.bytes(4)]);
  const ack = () => signAck(record(), key, { status: random.pick(ackStatuses), reports: [] });
  const tooLong = () => joined(record(), random.bytes(maxDatagram - 2_000 + random.below(700)));
  const isNot = (right: number) => (value: number) => value === right;

  return [
    { name: "truncated", every: ofEachKind(truncations) },
    { name: "extended", every: ofEachKind((bytes) => extensions(bytes, random, 2_000)) },
    { name: "one bit flipped", every: ofEachKind(oneBitFlips) },
    ...requestKinds.map((_, i) => twoBitFlips(i)),
    { name: "wrong key, right key id", share: 20_000, make: () => signedBy(other, record()) },
    {
      name: "unknown key id",
      share: 10_000,
      make: () => signed(replaced(record(), 8, ...otherId())),
    },
    { name: "wrong MAC", share: 20_000, make: wrongMac },
    {
      name: "foreign version, signed",
      every: allSigned((bytes) => otherBytes(bytes, 4, isNot(1))),
    },
    { name: "foreign type, signed", every: allSigned((bytes) => otherBytes(bytes, 5, isNot(1))) },
    { name: "reserved bytes, signed", every: allSigned(reserved) },
    {
      name: "n that lies, signed",
      every: allSigned((bytes) => otherBytes(bytes, 38, isNot(bytes[38]))),
    },
    { name: "host bits set, signed", share: 10_000, make: hostBits },
    {
      name: "contradictory, signed",
      share: 10_000,
      make: () => signed(random.pick(contradictions)()),
    },
    {
      name: idReusedClass,
      share: 2_000,
      make: () => signed(replaced(record(), 20, ...acceptedId())),
    },
    { name: "an ack, signed", share: 5_000, make: ack },
    { name: "every length to 2,000", every: lengths },
    {
      name: "wrong password",
      every: () => nearPasswords().filter((bytes) => !isPassword(bytes, password)),
    },
    { name: "longer than any packet", share: 100, make: tooLong },
    { name: "random behind a right header", share: 20_000, make: randomBody },
    { name: "random bytes", share: 30_000, make: () => random.bytes(random.below(1_401)) },
  ];
}

/** A request and the genuine ack to it. */
export interface Answered {
  readonly request: Bytes;
  readonly ack: Bytes;
}

/** What forged acks are made with. */
export interface AckForger {
  /** The right one, for the classes that need it. */
  readonly key: Key;
  readonly random: Random;
  /** The request to be answered, and what its ack would be. */
  readonly now: Answered;
  /** What was recorded before, under the same key. */
  readonly before: Answered;
}

/** The classes of forged acks. */
export function ackClasses({ key, random, now, before }: AckForger): AttackClass[] {
  const other = createKey(random.bytes(32));
  const { ack, request } = now;
  const body = ack.subarray(0, -16);
  const id = request.slice(20, 36);
  const signed = (bytes: Bytes, requestMac = request.slice(-16)) =>
    withMac(bytes, key.ackMac(bytes.subarray(0, -16), requestMac));
  const named = (bytes: Bytes, name: string) =>
    replaced(bytes, 48, ...new TextEncoder().encode(name.padEnd(16, "\0")));
  const renamed = replaced(before.ack, 20, ...id);
  /** Signed, with every value of a byte that is not right. */
  const others = (offset: number, isRight: (value: number) => boolean) =>
    function* () {
      for (const bytes of otherBytes(ack, offset, isRight)) yield signed(bytes);
    };
  function wrongKey() {
    const status = random.pick(ackStatuses);
    const reports = status === "alive" || status === "flushed" ? {} : { reports: [] };
    return replaced(signAck(request, other, { status, ...reports }), 8, ...key.id);
  }
  const host = () => `WEB${random.below(1_000)}`;
  const randomBody = () => joined(ack.subarray(0, 36), random.bytes(ack.length - 36));

  return [
    { name: "truncated", every: () => truncations(ack) },
    { name: "extended", every: () => extensions(ack, random, 700) },
    { name: "one bit flipped", every: () => oneBitFlips(ack) },
    { name: "replayed from an earlier request", share: 100, make: () => before.ack },
    { name: "earlier ack, this request's id", share: 100, make: () => renamed },
    {
      name: "signed for an earlier request, this request's id",
      share: 100,
      make: () => signed(renamed, before.request.slice(-16)),
    },
    { name: "from another host's name", share: 100, make: () => named(ack, host()) },
    {
      name: "earlier ack from another host's name",
      share: 100,
      make: () => named(before.ack, host()),
    },
    { name: "wrong key, right key id", share: 1_000, make: wrongKey },
    { name: "unknown key", share: 100, make: () => signAck(request, other) },
    { name: "MAC under the request key", every: () => [withMac(ack, key.requestMac(body))] },
    { name: "MAC without the request's", every: () => [withMac(ack, key.ackMac(body))] },
    { name: "the request itself", every: () => [request, before.request] },
    { name: "foreign version, signed", every: others(4, (value) => value === 1) },
    { name: "foreign type, signed", every: others(5, (value) => value === 2) },
    { name: "unknown status, signed", every: others(6, (value) => value > 0 && value < 5) },
    { name: "m that lies, signed", every: others(7, (value) => value === ack[7]) },
    { name: "report of no state, signed", every: others(112, (value) => value < 4) },
    { name: "report's zero byte, signed", every: others(113, (value) => value === 0) },
    { name: "neighbor that is none, signed", every: others(112, (value) => value > 1) },
    { name: "name that is no text, signed", every: () => [signed(replaced(ack, 48, 0xff))] },
    { name: "random bytes", share: 1_000, make: () => random.bytes(random.below(700)) },
    { name: "random behind a right header", share: 1_000, make: randomBody },
    { name: "two bits flipped", share: 90_000, make: () => twoBitFlip(ack, random) },
  ];
}
