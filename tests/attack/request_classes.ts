/**
 * Forged requests. Who forges knows the format and has recorded genuine datagrams. An insider has
 * the routers' public keys too, and so makes right filters. What is called signed has a right
 * signature as well, so that nothing but the one check that it aims at stands in its way.
 */
import { createHash } from "node:crypto";
import { ackStatuses } from "../../lib/wire/ack.ts";
import { createRouterKey, signedMessage } from "../../lib/wire/keys.ts";
import { createRouter, seal, type TestRouter } from "../support/datagrams.ts";
import {
  answerOf,
  type AttackClass,
  type Bytes,
  every,
  extensions,
  flipped,
  genuine,
  joined,
  made,
  oneBitFlips,
  otherBytes,
  otherRouter,
  type Random,
  replaced,
  requestKinds,
  router,
  smallOrderPoints,
  smallOrderSignature,
  truncations,
  twoBitFlip,
  withFilter,
  withMac,
  withSignature,
  withSPlusOrder,
} from "./datagrams.ts";
import { isPassword } from "./judge.ts";

/** What forged requests are made with. */
interface RequestForger {
  readonly password: string;
  readonly random: Random;
  /** The id of a request of the router that was accepted a moment ago. */
  readonly acceptedId: Uint8Array;
  /** Challenges by a host for a router. */
  readonly challenges: {
    /** By this host, a moment ago. */
    readonly own: Uint8Array;
    readonly ofOtherRouter: Uint8Array;
    /** For the router, by another host and by an earlier start of this one. */
    readonly foreign: readonly Uint8Array[];
  };
}

/** Copies of one recording before the next is recorded, so that all of them are fresh. */
const copiesOfRecording = 500;
/** No UDP datagram over IPv4 holds more. */
const maxDatagram = 65_507;
const hourMs = 3_600_000;

/** The classes of forged requests; those first whose challenges and id are forgotten first. */
export function requestClasses(forger: RequestForger): AttackClass[] {
  return [challengeClasses, outsiderClasses, signedClasses, insiderClasses]
    .flatMap((classes) => classes(forger));
}

/** A new request of a kind, or of any. */
function recorder(random: Random) {
  return (i = random.below(requestKinds.length)) => genuine(requestKinds[i]);
}

/** From a request of each kind in turn. */
function ofEachKind(of: (bytes: Bytes) => Iterable<Bytes>) {
  return function* () {
    for (const kind of requestKinds) yield* of(genuine(kind));
  };
}

/** A copy with a right signature and filter. */
function signed(bytes: Bytes, by = router): Bytes {
  const copy = bytes.slice();
  seal(copy, by);
  return copy;
}

function challengeClasses({ random, acceptedId, challenges }: RequestForger): AttackClass[] {
  const record = recorder(random);
  const challenged = (challenge: Uint8Array) => replaced(record(), 40, ...challenge);
  return [
    made(
      "id of another request, signed",
      10_000,
      () => signed(replaced(record(), 20, ...acceptedId)),
    ),
    made(
      "this host's challenge for another router, signed",
      10_000,
      () => signed(challenged(challenges.ofOtherRouter)),
    ),
    made(
      "this host's challenge, wrong signature",
      20_000,
      () => withFilter(challenged(challenges.own)),
    ),
    made(
      "challenge of another host or start, signed",
      20_000,
      () => signed(challenged(random.pick(challenges.foreign))),
    ),
    made(
      "challenge that nobody made, signed",
      10_000,
      () => signed(challenged(random.bytes(8))),
    ),
  ];
}

function outsiderClasses({ password, random }: RequestForger): AttackClass[] {
  const record = recorder(random);
  let recorded = record(0);
  let used = 0;
  function twoBits() {
    if (used++ % copiesOfRecording === 0) recorded = record();
    return twoBitFlip(recorded, random);
  }
  function* lengths() {
    for (let length = 0; length <= 2_000; length++) {
      yield random.bytes(length);
      yield new Uint8Array(length);
      const whole = record();
      const head = whole.slice(0, length);
      // Of the record's own length it is genuine.
      if (whole.length !== length) yield joined(head, random.bytes(length - head.length));
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
  const wrongFilters: readonly ((bytes: Bytes) => Uint8Array)[] = [
    () => new Uint8Array(16),
    () => new Uint8Array(16).fill(0xff),
    () => random.bytes(16),
    (bytes) => bytes.slice(-16).reverse(),
    () => record().slice(-16),
    (bytes) => createHash("sha256").update(bytes.subarray(0, -16)).digest().subarray(0, 16),
    (bytes) => router.key.ackMac(bytes.subarray(0, -16)),
    (bytes) => router.key.filterMac(bytes),
  ];
  function wrongFilter() {
    const bytes = record();
    return withMac(bytes, random.pick(wrongFilters)(bytes));
  }
  function randomBody() {
    const n = random.below(56);
    const bytes = random.bytes(232 + 18 * n);
    bytes.set(record().subarray(0, 12));
    bytes[38] = n;
    bytes[39] = 0;
    return bytes.fill(0, 40, 48).fill(0, 112 + 18 * n, 152 + 18 * n);
  }
  const tooLong = () => joined(record(), random.bytes(maxDatagram - 2_000 + random.below(700)));
  return [
    every("truncated", ofEachKind(truncations)),
    every("extended", ofEachKind((bytes) => extensions(bytes, random, 2_000))),
    every("one bit flipped", ofEachKind(oneBitFlips)),
    made("two bits flipped", 130_000, twoBits),
    made("wrong filter", 20_000, wrongFilter),
    every("every length to 2,000", lengths),
    every("wrong password", () => nearPasswords().filter((bytes) => !isPassword(bytes, password))),
    made("longer than any packet", 100, tooLong),
    made("random behind a right header", 20_000, randomBody),
    made("random bytes", 20_000, () => random.bytes(random.below(1_401))),
    made("version 1", 20_000, () => versionOne(random)),
  ];
}

/** A request of version 1, whose key the receiver can't have, or one that calls itself so. */
function versionOne(random: Random): Bytes {
  const n = random.below(62);
  const bytes = random.bytes(128 + 18 * n);
  bytes.set([0x41, 0x52, 0x50, 0x46, 1, 1, n > 0 ? 2 : 1, 1]);
  bytes[38] = n;
  return bytes.fill(0, 39, 48);
}

function signedClasses({ random }: RequestForger): AttackClass[] {
  const record = recorder(random);
  const allSigned = (of: (bytes: Bytes) => Iterable<Bytes>) =>
    ofEachKind(function* (bytes) {
      for (const changed of of(bytes)) yield signed(changed);
    });
  function* reserved(bytes: Bytes) {
    const padding = 112 + 18 * bytes[38];
    for (const at of [39, padding, padding + 1 + random.below(38), padding + 39]) {
      yield* otherBytes(bytes, at, (value) => value === 0);
    }
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
    () => replaced(record(), 7, random.pick([2, 4 + random.below(252)])),
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
  const isNot = (right: number) => (value: number) => value === right;
  return [
    every("foreign version, signed", allSigned((bytes) => otherBytes(bytes, 4, isNot(2)))),
    every("foreign type, signed", allSigned((bytes) => otherBytes(bytes, 5, isNot(1)))),
    every("bytes called zero, signed", allSigned(reserved)),
    every("n that lies, signed", allSigned((bytes) => otherBytes(bytes, 38, isNot(bytes[38])))),
    made("host bits set, signed", 10_000, hostBits),
    made("contradictory, signed", 10_000, () => signed(random.pick(contradictions)())),
    made("signed by a router that isn't listed", 20_000, () => {
      const stranger = createRouter(3 + random.below(100));
      return signed(replaced(record(), 8, ...stranger.key.id), stranger);
    }),
  ];
}

function insiderClasses({ random }: RequestForger): AttackClass[] {
  const record = recorder(random);
  const signature = (bytes: Bytes) => bytes.slice(-80, -16);
  const body = (bytes: Bytes) => bytes.subarray(0, -80);
  const stranger = createRouter(200);
  const small = smallOrderPoints.map((point) => ({ point, key: createRouterKey(point) }));
  const signedAs = (context: string, by: TestRouter) => (bytes: Bytes) =>
    by.sign(signedMessage(context, body(bytes)));
  const rightMessage = "arpflush v2 request";
  const wrongSignatures: readonly ((bytes: Bytes) => Uint8Array)[] = [
    () => new Uint8Array(64),
    () => new Uint8Array(64).fill(0xff),
    () => random.bytes(64),
    () => signature(record()),
    (bytes) => signature(bytes).reverse(),
    (bytes) => joined(signature(bytes).subarray(32), signature(bytes).subarray(0, 32)),
    (bytes) => joined(signature(bytes).subarray(0, 32), random.bytes(32)),
    // Another context, or none.
    signedAs("arpflush v2 ack", router),
    signedAs("arpflush v1 request", router),
    (bytes) => router.sign(body(bytes)),
    (bytes) => router.sign(bytes.subarray(0, -16)),
  ];
  /** Under a right filter, with a signature that `sign` makes. */
  const filtered = (name: string, count: number, sign: (bytes: Bytes) => Uint8Array) =>
    made(name, count, () => {
      const bytes = record();
      return withFilter(withSignature(bytes, sign(bytes)));
    });
  function twoBits() {
    const bytes = record();
    // At least one of both is no bit of the filter, which is made anew.
    for (;;) {
      const changed = twoBitFlip(bytes, random);
      const first = changed.findIndex((byte, i) => byte !== bytes[i]);
      if (first < bytes.length - 16) return withFilter(changed);
    }
  }
  function smallOrderKey() {
    const { point, key } = random.pick(small);
    const bytes = withSignature(
      replaced(record(), 8, ...key.id),
      smallOrderSignature(random.pick([point, smallOrderPoints[0]])),
    );
    return withFilter(bytes, key);
  }
  function otherTime() {
    const away = (1 + random.below(1_000)) * random.pick([-hourMs, hourMs]);
    const created = new Uint8Array(8);
    new DataView(created.buffer).setBigUint64(0, BigInt(Date.now() + away));
    return withFilter(replaced(record(), 12, ...random.pick([created, random.bytes(8)])));
  }
  // Of requests that ask for an ack without reports.
  const ack = () => answerOf(record(1 + 3 * random.below(2)), random.pick(ackStatuses), random);
  return [
    every(
      "one bit flipped, right filter", // The filter's own bits are the outsiders'.
      ofEachKind(function* (bytes) {
        for (let bit = 0; bit < 8 * (bytes.length - 16); bit++) {
          yield withFilter(flipped(bytes, bit));
        }
      }),
    ),
    made("two bits flipped, right filter", 100_000, twoBits),
    filtered("another listed router's signature", 30_000, signedAs(rightMessage, otherRouter)),
    filtered(
      "a stranger's signature under this router's id",
      30_000,
      signedAs(rightMessage, stranger),
    ),
    filtered("signature with S + L", 30_000, (bytes) => withSPlusOrder(signature(bytes))),
    filtered(
      "signature of small order",
      20_000,
      () => smallOrderSignature(random.pick(smallOrderPoints)),
    ),
    made("key of small order", 20_000, smallOrderKey),
    made("other created, old or ahead", 30_000, otherTime),
    made("an ack", 10_000, ack),
    filtered(
      "right filter, wrong signature",
      285_000,
      (bytes) => random.pick(wrongSignatures)(bytes),
    ),
  ];
}
