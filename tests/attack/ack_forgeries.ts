/**
 * Forged acks of every kind. Whoever makes them has recorded an earlier request with its ack, and
 * sees the request that is to be answered; some kinds are signed with the right key, so that nothing
 * but the one check that they aim at stands in their way.
 */
import { ackStatuses, encodeAck, type FlushAck } from "../../lib/wire/ack.ts";
import { createKey, type Key } from "../../lib/wire/keys.ts";
import { extensions, joined, oneBitFlips, replaced, truncations, twoBitFlip } from "./bits.ts";
import type { Forgery } from "./forgeries.ts";
import type { Random } from "./random.ts";

/** A request and a genuine ack to it. */
export interface Answered {
  readonly request: Uint8Array<ArrayBuffer>;
  readonly ack: Uint8Array<ArrayBuffer>;
}

/** What the forger works with. */
export interface AckForger {
  /** The right one, for the kinds that need it. */
  readonly key: Key;
  readonly random: Random;
  /** The request to be answered, and what its ack would be. */
  readonly now: Answered;
  /** What was recorded before, under the same key. */
  readonly before: Answered;
}

type Bytes = Uint8Array<ArrayBuffer>;

const hostOffset = 48;
const longest = 700;

/** The ack of a host that did what was asked: each address is at a link-layer address. */
export function genuineAck(request: Bytes, key: Key, changes: Partial<FlushAck> = {}): Bytes {
  const asked = (request[7] & 2) !== 0 ? request[38] : 0;
  const neighbor = {
    state: "neighbor",
    linkLayerAddress: Uint8Array.of(2, 0, 0, 0, 0, 1),
  } as const;
  const ack: FlushAck = {
    status: "flushed",
    clock: Date.now(),
    id: request.slice(20, 36),
    error: 0,
    entries: 1,
    micros: 1,
    host: "SQL01",
    reports: Array.from({ length: asked }, () => neighbor),
    ...changes,
  };
  return encodeAck(ack, key, request.subarray(-16));
}

/** At least `count` forgeries of all kinds. */
export function* ackForgeries(forger: AckForger, count: number): Generator<Forgery> {
  const { key, random, now, before } = forger;
  const other = createKey(random.bytes(32));
  const id = now.request.slice(20, 36);
  const withMac = (bytes: Bytes, mac: Uint8Array) => joined(bytes.subarray(0, -16), mac);
  const signed = (bytes: Bytes, requestMac = now.request.slice(-16)) =>
    withMac(bytes, key.ackMac(bytes.subarray(0, -16), requestMac));
  const named = (bytes: Bytes, name: string) =>
    replaced(bytes, hostOffset, ...new TextEncoder().encode(name.padEnd(16, "\0")));

  const recipes: readonly [kind: string, every: Iterable<Bytes>][] = [
    ["truncated", truncations(now.ack)],
    ["extended", extensions(now.ack, random, longest)],
    ["one bit flipped", oneBitFlips(now.ack)],
    ["replayed from an earlier request", many(100, () => before.ack)],
    ["earlier ack, this request's id", many(100, () => replaced(before.ack, 20, ...id))],
    [
      "signed for an earlier request, this request's id",
      many(100, () => signed(replaced(before.ack, 20, ...id), before.request.slice(-16))),
    ],
    ["from another host's name", many(100, (i) => named(now.ack, `WEB${i}`))],
    ["earlier ack from another host's name", many(100, (i) => named(before.ack, `WEB${i}`))],
    [
      "wrong key, right key id",
      many(1_000, () => {
        const status = random.pick(ackStatuses);
        const reports = status === "alive" || status === "flushed" ? {} : { reports: [] };
        return replaced(
          genuineAck(now.request, other, { status, ...reports }),
          8,
          ...key.id,
        );
      }),
    ],
    ["unknown key", many(100, () => genuineAck(now.request, other))],
    ["MAC under the request key", [withMac(now.ack, key.requestMac(now.ack.subarray(0, -16)))]],
    ["MAC without the request's", [withMac(now.ack, key.ackMac(now.ack.subarray(0, -16)))]],
    ["the request itself", [now.request, before.request]],
    ["foreign version, signed", many(256, (i) => signed(replaced(now.ack, 4, i === 1 ? 2 : i)))],
    ["foreign type, signed", many(256, (i) => signed(replaced(now.ack, 5, i === 2 ? 3 : i)))],
    ["unknown status, signed", many(252, (i) => signed(replaced(now.ack, 6, (i + 5) & 255)))],
    [
      "m that lies, signed",
      many(255, (i) => signed(replaced(now.ack, 7, i < now.ack[7] ? i : i + 1))),
    ],
    ["report of no state, signed", many(252, (i) => signed(replaced(now.ack, 112, i + 4)))],
    ["report's zero byte, signed", many(255, (i) => signed(replaced(now.ack, 113, i + 1)))],
    ["neighbor that is none, signed", many(2, (i) => signed(replaced(now.ack, 112, i)))],
    ["name that is no text, signed", [signed(replaced(now.ack, hostOffset, 0xff))]],
    ["random bytes", many(1_000, () => random.bytes(random.below(longest)))],
    [
      "random behind a right header",
      many(1_000, () => joined(now.ack.subarray(0, 36), random.bytes(now.ack.length - 36))),
    ],
  ];
  let made = 0;
  for (const [kind, every] of recipes) {
    for (const bytes of every) {
      made++;
      yield { kind, bytes };
    }
  }
  for (; made < count; made++) {
    yield { kind: "two bits flipped", bytes: twoBitFlip(now.ack, random) };
  }
}

function* many(count: number, make: (i: number) => Bytes): Generator<Bytes> {
  for (let i = 0; i < count; i++) yield make(i);
}
