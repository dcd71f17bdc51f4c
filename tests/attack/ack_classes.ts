/**
 * Forged acks. An outsider has recorded genuine datagrams; an insider has the router's public key
 * too, and so makes right MACs. What is called signed is signed by the host itself: it speaks, but
 * nonsense. An invented host that answers as a host would is no forgery: siege.ts has it.
 */
import { ackStatuses } from "../../lib/wire/ack.ts";
import { createSyncSigner } from "../../lib/wire/ed25519_node.ts";
import type { SyncSigner } from "../../lib/wire/keys.ts";
import { requestFilterOf } from "../../lib/wire/request.ts";
import { createRouter, hostSigner, signAck, type TestRouter } from "../support/datagrams.ts";
import { type AttackClass, every, made } from "./classes.ts";
import {
  type Bytes,
  extensions,
  flipped,
  joined,
  oneBitFlips,
  otherBytes,
  type Random,
  replaced,
  smallOrderPoints,
  smallOrderSignature,
  truncations,
  twoBitFlip,
  withAckMac,
  withAckSignature,
  withMac,
  withSignature,
  withSPlusOrder,
} from "./datagrams.ts";

/** A request and the genuine ack to it. */
export interface Answered {
  readonly request: Bytes;
  readonly ack: Bytes;
}

/** What forged acks are made with. */
interface AckForger {
  readonly router: TestRouter;
  readonly random: Random;
  /** The request to be answered, and what its ack by `hostSigner` would be. */
  readonly now: Answered;
  /** What was recorded before, under the same keys. */
  readonly before: Answered;
}

/** The classes of forged acks. */
export function ackClasses({ router, random, now, before }: AckForger): AttackClass[] {
  const { ack, request } = now;
  const { key } = router;
  const otherRouter = createRouter(2);
  const invented = createSyncSigner(random.bytes(32));
  const id = request.slice(20, 36);
  const body = ack.subarray(0, -16);
  const withRightMac = (bytes: Bytes) => withAckMac(bytes, request, router);
  const signed = (bytes: Bytes) => withAckSignature(bytes, request, router, hostSigner);
  const named = (bytes: Bytes, name: string) =>
    replaced(bytes, 48, ...new TextEncoder().encode(name.padEnd(16, "\0")));
  const renamed = replaced(before.ack, 20, ...id);
  const signature = ack.slice(-80, -16);
  /** Signed, with every value of a byte that is not right. */
  const others = (offset: number, isRight: (value: number) => boolean) =>
    function* () {
      for (const bytes of otherBytes(ack, offset, isRight)) yield signed(bytes);
    };
  /** Signed by somebody else in the host's name: its key stands in the ack. */
  function inItsName() {
    const status = random.pick(ackStatuses);
    const isStale = status === "stale";
    const impostor: SyncSigner = { publicKey: hostSigner.publicKey, sign: invented.sign };
    return signAck(request, router, {
      status,
      challenge: isStale ? random.bytes(8) : null,
      ...isStale ? { host: "" } : {},
      ...isStale || status === "failed" ? { reports: [] } : {},
    }, impostor);
  }
  function smallOrderHost() {
    const point = random.pick(smallOrderPoints);
    const at = ack.length - 112;
    const bytes = withSignature(replaced(ack, at, ...point), smallOrderSignature(point));
    return withRightMac(bytes);
  }
  const host = () => `WEB${random.below(1_000)}`;
  const randomBody = () => joined(ack.subarray(0, 36), random.bytes(ack.length - 36));
  const otherFilter = requestFilterOf(before.request);
  const stale = signAck(request, router, {
    ...{ status: "stale", challenge: random.bytes(8), host: "", reports: [] },
  });

  return [
    every("truncated", () => truncations(ack)),
    every("extended", () => extensions(ack, random, 700)),
    every("one bit flipped", () => oneBitFlips(ack)),
    made("two bits flipped", 130_000, () => twoBitFlip(ack, random)),
    made("replayed from an earlier request", 1_000, () => before.ack),
    made("earlier ack, this request's id", 1_000, () => renamed),
    made("from another host's name", 1_000, () => named(ack, host())),
    every("the request itself", () => [request, before.request]),
    made("random bytes", 1_000, () => random.bytes(random.below(700))),
    made("random behind a right header", 1_000, randomBody),
    every("MAC under the filter key", () => [withMac(ack, key.filterMac(body))]),
    every("MAC without the request's filter", () => [withMac(ack, key.ackMac(body))]),
    every(
      "MAC with an earlier request's filter",
      () => [withMac(ack, key.ackMac(body, otherFilter))],
    ),
    every(
      "another router's",
      () => [withAckMac(ack, request, otherRouter), signAck(request, otherRouter)],
    ),
    every("one bit flipped, right MAC", function* () {
      for (let bit = 0; bit < 8 * body.length; bit++) yield withRightMac(flipped(ack, bit));
    }),
    made("earlier ack, this request's id, right MAC", 1_000, () => withRightMac(renamed)),
    made("another host's name, right MAC", 5_000, () => withRightMac(named(ack, host()))),
    made(
      "another instance, right MAC",
      5_000,
      () => withRightMac(replaced(ack, 112, ...random.bytes(8))),
    ),
    every(
      "signature with S + L, right MAC",
      () => [withRightMac(withSignature(ack, withSPlusOrder(signature)))],
    ),
    made("host key of small order, right MAC", 5_000, smallOrderHost),
    every("foreign version, signed", others(4, (value) => value === 2)),
    every("foreign type, signed", others(5, (value) => value === 2)),
    // Pending is an answer to this request, as flushed is.
    every("status of no answer, signed", others(6, (value) => value === 2 || value === 5)),
    every("m that lies, signed", others(7, (value) => value === ack[7])),
    every("report of no state, signed", others(120, (value) => value < 5)),
    every("unknown flags of a report, signed", others(121, (value) => value < 4)),
    every("neighbor that is none, signed", others(120, (value) => value === 2 || value === 3)),
    every("name that is no text, signed", () => [signed(replaced(ack, 48, 0xff))]),
    every("bytes behind the name's end, signed", () => [signed(replaced(ack, 100, 1))]),
    every("stale without a challenge, signed", () => [signed(stale.slice().fill(0, 40, 48))]),
    every("stale with a name, signed", () => [signed(named(stale, "SQL01"))]),
    made("signed by an invented key in the host's name", 20_000, inItsName),
  ];
}
