/**
 * Forged acks. An outsider has recorded genuine datagrams; an insider has the router's public key
 * too, and so makes right MACs. What is called signed is signed by the host itself: it speaks, but
 * nonsense. An invented host that answers as a host would is no forgery: siege.ts has it.
 */
import { ackStatuses, type HostSigner } from "../../lib/wire/ack.ts";
import { createSyncSigner } from "../../lib/wire/ed25519_node.ts";
import { requestFilterOf } from "../../lib/wire/request.ts";
import { createRouter, hostSigner, signAck, type TestRouter } from "../support/datagrams.ts";
import type { AttackClass } from "./classes.ts";
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
    const impostor: HostSigner = { publicKey: hostSigner.publicKey, sign: invented.sign };
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

  return [
    { name: "truncated", every: () => truncations(ack) },
    { name: "extended", every: () => extensions(ack, random, 700) },
    { name: "one bit flipped", every: () => oneBitFlips(ack) },
    { name: "two bits flipped", share: 130_000, make: () => twoBitFlip(ack, random) },
    { name: "replayed from an earlier request", share: 1_000, make: () => before.ack },
    { name: "earlier ack, this request's id", share: 1_000, make: () => renamed },
    { name: "from another host's name", share: 1_000, make: () => named(ack, host()) },
    { name: "the request itself", every: () => [request, before.request] },
    { name: "random bytes", share: 1_000, make: () => random.bytes(random.below(700)) },
    { name: "random behind a right header", share: 1_000, make: randomBody },
    { name: "MAC under the filter key", every: () => [withMac(ack, key.filterMac(body))] },
    { name: "MAC without the request's filter", every: () => [withMac(ack, key.ackMac(body))] },
    {
      name: "MAC with an earlier request's filter",
      every: () => [withMac(ack, key.ackMac(body, otherFilter))],
    },
    {
      name: "another router's",
      every: () => [withAckMac(ack, request, otherRouter), signAck(request, otherRouter)],
    },
    {
      name: "one bit flipped, right MAC",
      every: function* () {
        for (let bit = 0; bit < 8 * body.length; bit++) yield withRightMac(flipped(ack, bit));
      },
    },
    {
      name: "earlier ack, this request's id, right MAC",
      share: 1_000,
      make: () => withRightMac(renamed),
    },
    {
      name: "another host's name, right MAC",
      share: 5_000,
      make: () => withRightMac(named(ack, host())),
    },
    {
      name: "another instance, right MAC",
      share: 5_000,
      make: () => withRightMac(replaced(ack, 112, ...random.bytes(8))),
    },
    {
      name: "signature with S + L, right MAC",
      every: () => [withRightMac(withSignature(ack, withSPlusOrder(signature)))],
    },
    { name: "host key of small order, right MAC", share: 5_000, make: smallOrderHost },
    { name: "foreign version, signed", every: others(4, (value) => value === 2) },
    { name: "foreign type, signed", every: others(5, (value) => value === 2) },
    // Pending is an answer to this request, as flushed is.
    {
      name: "status of no answer, signed",
      every: others(6, (value) => value === 2 || value === 5),
    },
    { name: "m that lies, signed", every: others(7, (value) => value === ack[7]) },
    { name: "report of no state, signed", every: others(120, (value) => value < 5) },
    { name: "unknown flags of a report, signed", every: others(121, (value) => value < 4) },
    {
      name: "neighbor that is none, signed",
      every: others(120, (value) => value === 2 || value === 3),
    },
    { name: "name that is no text, signed", every: () => [signed(replaced(ack, 48, 0xff))] },
    {
      name: "bytes behind the name's end, signed",
      every: () => [signed(replaced(ack, 100, 1))],
    },
    {
      name: "stale without a challenge, signed",
      every: () => {
        const stale = signAck(request, router, {
          ...{ status: "stale", challenge: random.bytes(8), host: "", reports: [] },
        });
        return [signed(stale.map((byte, i) => i >= 40 && i < 48 ? 0 : byte))];
      },
    },
    {
      name: "stale with a name, signed",
      every: () => {
        const stale = signAck(request, router, {
          ...{ status: "stale", challenge: random.bytes(8), host: "", reports: [] },
        });
        return [signed(named(stale, "SQL01"))];
      },
    },
    { name: "signed by an invented key in the host's name", share: 20_000, make: inItsName },
  ];
}
