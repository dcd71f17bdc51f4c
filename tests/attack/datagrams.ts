/** Genuine datagrams of each kind, and the changes that make others of them. */
import type { AckStatus, FlushAck } from "../../lib/wire/ack.ts";
import { parsePrefix } from "../../lib/wire/addresses.ts";
import { maxAddresses } from "../../lib/wire/datagram.ts";
import { signedMessage, type SyncSigner } from "../../lib/wire/keys.ts";
import { type FlushRequest, requestFilterOf } from "../../lib/wire/request.ts";
import { seededRandom } from "../measure/statistics.ts";
import { createRouter, hostSigner, signAck, signRequest } from "../support/datagrams.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** The routers that the attacked host obeys; the attacked sender is the first one's. */
export const router = createRouter(1);
export const otherRouter = createRouter(2);

/** Numbers that a seed repeats; not for secrets. */
export interface Random {
  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number;
  bytes(length: number): Bytes;
  pick<Item>(items: readonly Item[]): Item;
}

/** The numbers of a seed. */
export function createRandom(seed: number): Random {
  const next = seededRandom(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = next() * 256;
      return bytes;
    },
    pick: (items) => items[below(items.length)],
  };
}

type RequestKind = Pick<FlushRequest, "action" | "acknowledge" | "report" | "addresses">;

function kind(flags: string, action: RequestKind["action"], addresses: readonly string[] = []) {
  const [acknowledge, report] = [flags.includes("a"), flags.includes("r")];
  return { action, acknowledge, report, addresses: addresses.map(parsePrefix) };
}

const some = ["192.0.2.1", "2001:db8::1", "198.51.100.0/24"];
/** As many addresses as a request can hold. */
const full = Array.from(
  { length: maxAddresses },
  (_, i) => i % 2 === 0 ? `192.0.2.${i}` : `2001:db8::${i}`,
);

/** Every action with every flag that goes with it: a asks for an ack, r for reports. */
export const requestKinds: readonly RequestKind[] = [
  kind("", "probe"),
  kind("a", "probe"),
  kind("ar", "probe", some),
  kind("", "flush all"),
  kind("a", "flush all"),
  kind("ar", "flush all", some),
  kind("", "flush listed", some),
  kind("a", "flush listed", some.slice(0, 1)),
  kind("ar", "flush listed", full),
];

/** A signed request of a kind, with an id of its own. One of a service's first ms would be stale. */
export function genuine(kind: RequestKind, created = Date.now() + 1): Bytes {
  return signRequest(router, { ...kind, created });
}

/** A copy with some of its bits flipped. */
export function flipped(bytes: Uint8Array, ...bits: readonly number[]): Bytes {
  const copy = bytes.slice();
  for (const bit of bits) copy[bit >> 3] ^= 0x80 >> (bit & 7);
  return copy;
}

/** A copy with other bytes from an offset on. */
export function replaced(bytes: Uint8Array, offset: number, ...values: readonly number[]): Bytes {
  const copy = bytes.slice();
  copy.set(values, offset);
  return copy;
}

/** Both, one behind the other. */
export function joined(first: Uint8Array, second: Uint8Array): Bytes {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** A copy with another filter or MAC, the last 16 bytes. */
export function withMac(bytes: Uint8Array, mac: Uint8Array): Bytes {
  return joined(bytes.subarray(0, -16), mac);
}

/** A copy with another signature, the 64 bytes before. */
export function withSignature(bytes: Uint8Array, signature: Uint8Array): Bytes {
  return replaced(bytes, bytes.length - 80, ...signature);
}

/** A copy of a request with a right filter, as whoever has the router's public key makes it. */
export function withFilter(bytes: Uint8Array, key = router.key): Bytes {
  return withMac(bytes, key.filterMac(bytes.subarray(0, -16)));
}

/** A copy of an ack to a request with a right MAC, as whoever has the router's public key makes it. */
export function withAckMac(bytes: Uint8Array, request: Uint8Array, { key } = router): Bytes {
  return withMac(bytes, key.ackMac(bytes.subarray(0, -16), requestFilterOf(request)));
}

/** A copy of an ack to a request that a host has signed as it is, with a right MAC. */
export function withAckSignature(
  bytes: Uint8Array,
  request: Uint8Array,
  signer: SyncSigner,
): Bytes {
  const keyed = replaced(bytes, bytes.length - 112, ...signer.publicKey);
  const signedPart = keyed.subarray(0, -80);
  const message = signedMessage("arpflush v2 ack", signedPart, requestFilterOf(request));
  return withAckMac(withSignature(keyed, signer.sign(message)), request);
}

/** An ack of a status, with what goes with it, by any host that knows the router's public key. */
export function answerOf(
  request: Uint8Array,
  status: AckStatus,
  random: Random,
  changes: Partial<FlushAck> = {},
  signer = hostSigner,
): Bytes {
  const isStale = status === "stale";
  return signAck(request, router, {
    status,
    challenge: isStale ? random.bytes(8) : null,
    ...isStale || status === "failed" ? { reports: [] } : {},
    ...changes,
    ...isStale ? { host: "" } : {},
  }, signer);
}

/** The order of the curve's base point, little-endian (RFC 8032, 5.1). */
const order = 2n ** 252n + 27742317777372353535851937790883648493n;

/** A signature that says the same to a verifier that doesn't look whether S < L. */
export function withSPlusOrder(signature: Uint8Array): Bytes {
  const s = BigInt(`0x${signature.slice(32).reverse().toHex()}`) + order;
  const bytes = Uint8Array.fromHex(s.toString(16).padStart(64, "0")).reverse();
  return joined(signature.subarray(0, 32), bytes);
}

/** The eight points of small order, and second spellings of some, as public keys. */
export const smallOrderPoints: readonly Bytes[] = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  // y + p, and -0 with a sign.
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
].map((hex) => Uint8Array.fromHex(hex));

/** A signature that is right under a key of small order for many messages: R is the point, S is 0. */
export function smallOrderSignature(point: Uint8Array): Bytes {
  return joined(point, new Uint8Array(32));
}

/** Every beginning that is shorter. */
export function* truncations(bytes: Bytes): Generator<Bytes> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length);
}

/** Everything longer, up to a length: by zeros, by random bytes, by its own beginning. */
export function* extensions(bytes: Bytes, random: Random, maxLength: number): Generator<Bytes> {
  for (let length = bytes.length + 1; length <= maxLength; length++) {
    const zeros = joined(bytes, new Uint8Array(length - bytes.length));
    yield zeros;
    yield joined(bytes, random.bytes(length - bytes.length));
    yield zeros.map((_, i) => bytes[i % bytes.length]);
  }
}

/** Every copy with one bit flipped. */
export function* oneBitFlips(bytes: Bytes): Generator<Bytes> {
  for (let bit = 0; bit < 8 * bytes.length; bit++) yield flipped(bytes, bit);
}

/** A copy with two different bits flipped. */
export function twoBitFlip(bytes: Uint8Array, random: Random): Bytes {
  const bits = 8 * bytes.length;
  const first = random.below(bits);
  return flipped(bytes, first, (first + 1 + random.below(bits - 1)) % bits);
}

/** Every value of one byte but those that are right. */
export function* otherBytes(bytes: Bytes, offset: number, isRight: (value: number) => boolean) {
  for (let value = 0; value < 256; value++) {
    if (!isRight(value)) yield replaced(bytes, offset, value);
  }
}

/** A class of forged datagrams. */
export interface AttackClass {
  readonly name: string;
  /** Those of a part of the full attack, 0 to 1; one at least. */
  readonly datagrams: (part: number) => Iterable<Bytes>;
}

/** A class of all datagrams that `all` gives; of a part every so many of them. */
export function every(name: string, all: () => Iterable<Bytes>): AttackClass {
  return {
    name,
    *datagrams(part) {
      const stride = Math.round(1 / part);
      let i = 0;
      for (const bytes of all()) if (i++ % stride === 0) yield bytes;
    },
  };
}

/** A class of so many datagrams in the full attack, each made by chance. */
export function made(name: string, count: number, make: () => Bytes): AttackClass {
  return {
    name,
    *datagrams(part) {
      for (let i = 0; i < count * part; i++) yield make();
    },
  };
}
