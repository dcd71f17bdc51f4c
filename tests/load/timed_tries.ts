/**
 * Genuine requests that flood.c sends in the midst of its own flood: signed and timed beforehand,
 * so that no other process has to run at the moment at which a copy is sent.
 */
import { decodeAck } from "../../lib/wire/ack.ts";
import { idLength, offsets, viewOf } from "../../lib/wire/datagram.ts";
import type { Key } from "../../lib/wire/keys.ts";
import { requestMacOf } from "../../lib/wire/request.ts";

/** A request and when its copies are sent, in ms since the start of the flood. */
export interface TimedTry {
  readonly request: Uint8Array;
  readonly timesMs: readonly number[];
}

/** Tries one after the other, each at a random moment of a period of its own. */
export interface TimedTries {
  readonly tries: number;
  /** The first one's period, in ms since the start of the flood. */
  readonly fromMs: number;
  readonly periodMs: number;
  readonly copies: number;
  readonly copyIntervalMs: number;
}

/** The end of the last try's period, in ms since the start of the flood. */
export function endOfTries({ tries, fromMs, periodMs }: TimedTries): number {
  return fromMs + tries * periodMs;
}

/** Signs the requests of tries in a flood that starts at a Unix time in ms. */
export function timeTries(
  { tries, fromMs, periodMs, copies, copyIntervalMs }: TimedTries,
  startsAt: number,
  sign: (created: number) => Uint8Array,
  random: () => number,
): TimedTry[] {
  return Array.from({ length: tries }, (_, i) => {
    const firstMs = Math.floor(fromMs + (i + random()) * periodMs);
    const timesMs = Array.from({ length: copies }, (_, copy) => firstMs + copy * copyIntervalMs);
    return { request: sign(startsAt + firstMs), timesMs };
  });
}

/** All copies in the order of their times, each behind its own: 4 bytes, as flood.c reads them. */
export function timedDatagrams(tries: readonly TimedTry[]): Uint8Array[] {
  const copies = tries.flatMap(({ request, timesMs }) =>
    timesMs.map((timeMs) => ({ timeMs, request }))
  );
  copies.sort((a, b) => a.timeMs - b.timeMs);
  return copies.map(({ timeMs, request }) => {
    const bytes = new Uint8Array(4 + request.length);
    viewOf(bytes).setUint32(0, timeMs);
    bytes.set(request, 4);
    return bytes;
  });
}

/** How many of the tries are acknowledged "flushed" by genuine acks among the answers. */
export function countFlushed(
  tries: readonly TimedTry[],
  answers: readonly Uint8Array[],
  key: Key,
): number {
  const idOf = (bytes: Uint8Array) => bytes.subarray(offsets.id, offsets.id + idLength);
  const isFlushed = (answer: Uint8Array, request: Uint8Array) => {
    const sent = { key, id: idOf(request), mac: requestMacOf(request), reportCount: 0 };
    const ack = decodeAck(answer, sent);
    return typeof ack !== "string" && ack.status === "flushed";
  };
  const byId = Map.groupBy(answers, (answer) => idOf(answer).toHex());
  return tries.filter(({ request }) =>
    byId.get(idOf(request).toHex())?.some((answer) => isFlushed(answer, request))
  ).length;
}
