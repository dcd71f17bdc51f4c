/**
 * A genuine sender beside the attack. Its probes change nothing, and as the service takes datagrams
 * in their order, the ack to one says that everything sent before has been looked at: so the kernel
 * never has to drop any. A host acknowledges an id eight times, so one probe serves eight times.
 */
import { decodeAck, type FlushAck } from "../../lib/wire/ack.ts";
import type { Key } from "../../lib/wire/keys.ts";
import { encodeRequest, type FlushRequest, requestMacOf } from "../../lib/wire/request.ts";
import type { Random } from "./random.ts";
import type { Source, WireTap } from "./wire_tap.ts";

/** The sender and what it sent. */
export interface GenuineSender extends Disposable {
  /** Resolves when everything sent before, by whatever source, has been looked at. */
  pass(): Promise<void>;
  /**
   * Sends a request, in copies until it is acknowledged, and gives the ack. As the real sender does
   * it repeats a stale one once, created by the host's clock, and then goes on by that clock.
   */
  ask(changes?: Partial<FlushRequest>): Promise<Asked>;
  /** Makes probes ready now for that many `pass`es, for a time when no new one would be remembered. */
  prepare(passes: number): Promise<void>;
  /** No probe made so far is used again: the service may have forgotten them. */
  startAnew(): void;
  /** Requests sent, copies not counted: as many as the service must accept. */
  readonly requests: number;
  /** The id of the last request that was acknowledged. */
  readonly latestId: Uint8Array;
}

/** A request and what came of it. */
export interface Asked {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ack: FlushAck;
  /** How often it was sent. */
  readonly datagrams: number;
  /** The first answer was stale. */
  readonly repaired: boolean;
}

const acksOfEachId = 8;
/** From copy to copy; more than a busy machine takes for an answer. */
const copyEveryMs = 1_000;
const patienceMs = 30_000;

/** A sender at 127.0.0.1; `wall` is the clock that the service judges by. */
export function openGenuineSender(
  tap: WireTap,
  port: number,
  key: Key,
  random: Random,
  wall: () => number = Date.now,
): GenuineSender {
  let waiting: { bytes: Uint8Array; reports: number; done: (ack: FlushAck) => void } | null = null;
  const source: Source = tap.open("127.0.0.1", port, (answer) => {
    if (waiting === null) return;
    const { bytes, reports: reportCount, done } = waiting;
    const sent = { key, id: bytes.slice(20, 36), mac: requestMacOf(bytes), reportCount };
    const ack = decodeAck(answer, sent);
    if (typeof ack !== "string") done(ack);
  });
  /** Acknowledged probes with acks left, the one to use first at the end. */
  const ready: { bytes: Uint8Array<ArrayBuffer>; left: number }[] = [];
  /** The clock that the service judges by, less the sender's own. */
  let offset = 0;
  let requests = 0;
  let latestId = new Uint8Array(16);

  /** Sends a request until it is acknowledged, in copies or once. */
  async function acknowledged(
    bytes: Uint8Array,
    reports: number,
    inCopies: boolean,
  ): Promise<{ readonly ack: FlushAck; readonly datagrams: number }> {
    const { promise, resolve, reject } = Promise.withResolvers<FlushAck>();
    const giveUp = setTimeout(
      () => reject(new Error(`A genuine request was not acknowledged within ${patienceMs} ms`)),
      patienceMs,
    );
    let datagrams = 1;
    const copies = setInterval(() => {
      if (!inCopies) return;
      datagrams++;
      source.send(bytes);
    }, copyEveryMs);
    waiting = { bytes, reports, done: resolve };
    try {
      await source.send(bytes);
      return { ack: await promise, datagrams };
    } finally {
      clearTimeout(giveUp);
      clearInterval(copies);
      waiting = null;
    }
  }
  async function askOnce(changes: Partial<FlushRequest>): Promise<Omit<Asked, "repaired">> {
    const request: FlushRequest = {
      action: "flush all",
      acknowledge: true,
      report: false,
      created: wall() + offset,
      id: random.bytes(16),
      ackSpreadMs: 0,
      sender: "genuine",
      addresses: [],
      ...changes,
    };
    const bytes = encodeRequest(request, key);
    const reports = request.report ? request.addresses.length : 0;
    const { ack, datagrams } = await acknowledged(bytes, reports, true);
    if (ack.status !== "stale") {
      requests++;
      latestId = bytes.slice(20, 36);
    }
    return { bytes, ack, datagrams };
  }
  async function ask(changes: Partial<FlushRequest> = {}): Promise<Asked> {
    const first = await askOnce(changes);
    if (first.ack.status !== "stale") return { ...first, repaired: false };
    offset = first.ack.clock - wall();
    const { created: _, ...others } = changes;
    return { ...await askOnce(others), repaired: true };
  }
  async function addProbe(): Promise<void> {
    const { bytes, ack, datagrams } = await ask({ action: "probe" });
    if (ack.status !== "alive") throw new Error(`A genuine probe was answered ${ack.status}`);
    if (datagrams < acksOfEachId) ready.push({ bytes, left: acksOfEachId - datagrams });
  }
  return {
    ask,
    async pass() {
      const probe = ready.at(-1);
      if (probe === undefined) return await addProbe();
      // A copy more would use up an ack that a later pass counts on; none is ever lost.
      await acknowledged(probe.bytes, 0, false);
      if (--probe.left === 0) ready.pop();
    },
    async prepare(passes) {
      for (let i = 0; i < passes; i += acksOfEachId - 1) await addProbe();
    },
    startAnew() {
      ready.length = 0;
    },
    get requests() {
      return requests;
    },
    get latestId() {
      return latestId;
    },
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}
