/**
 * What the service does with datagrams: receive, `accept`, flush through the gate, ack. A reload
 * changes rules and place; what was seen, a pending flush and acks on their way stay.
 */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import {
  type NeighborCache,
  NeighborCacheError,
  toCacheError,
} from "../neighbors/neighbor_cache.ts";
import { readClock, type Time } from "../time.ts";
import { encodeAck } from "../wire/ack.ts";
import { type AddressPrefix, formatAddress } from "../wire/addresses.ts";
import { printable } from "../wire/datagram.ts";
import type { Key } from "../wire/keys.ts";
import type { FlushRequest } from "../wire/request.ts";
import {
  accept,
  type AcceptanceRules,
  type AcceptanceState,
  createAcceptanceState,
  type NewRequest,
  parseSource,
  type Refusal,
  type RepeatedRequest,
  type StaleRequest,
} from "./accept.ts";
import { Acknowledger, LookUps, type ReceivedRequest } from "./answers.ts";
import { Counters } from "./counters.ts";
import { DatagramLoop, type OpenSocket } from "./datagram_loop.ts";
import { Flusher } from "./flusher.ts";
import { createLimitedReport, createRateLimit, RefusalLog } from "./rate_limits.ts";
import { addWaiting, maxAcks, type RequestResult, type SeenRequest } from "./replay_window.ts";

/** What the receiver works with; tests hand in their own. */
export interface ReceiverParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly time: Time;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly open: OpenSocket;
  /** The name in acks. */
  readonly hostName: string;
}

/** What a reload may change. */
export interface ReceiverRules extends AcceptanceRules {
  readonly address: string;
  /** 0: any. */
  readonly port: number;
  readonly holdDownMs: number;
}

const staleAcks = { max: 2, periodMs: 1_000 } as const;

/** A running receiver. */
export class Receiver {
  readonly counters: Counters;
  readonly #parts: ReceiverParts;
  readonly #state: AcceptanceState;
  readonly #loop: DatagramLoop;
  readonly #flusher: Flusher;
  readonly #lookUps: LookUps;
  readonly #acknowledger: Acknowledger;
  readonly #refusals: RefusalLog;
  readonly #reportBroken: ReturnType<typeof createLimitedReport>;
  readonly #reportOffset: ReturnType<typeof createLimitedReport>;
  readonly #reportFull: ReturnType<typeof createLimitedReport>;
  readonly #mayAckStale = createRateLimit(staleAcks.max, staleAcks.periodMs);
  #rules: ReceiverRules;
  #isStopping = false;

  /** Opens the socket, or throws, and starts to receive. Requests older than this are stale. */
  constructor(rules: ReceiverRules, parts: ReceiverParts) {
    const { report, time } = parts;
    this.#rules = rules;
    this.#parts = parts;
    this.counters = new Counters(time.wall);
    this.#state = createAcceptanceState(time.wall());
    this.#refusals = new RefusalLog(report, time);
    this.#reportBroken = createLimitedReport(report, "brokenRequest", time);
    this.#reportOffset = createLimitedReport(report, "clockOffset", time);
    this.#reportFull = createLimitedReport(report, "replayWindowFull", time);
    this.#loop = this.#openLoop();
    const shared = { ...parts, counters: this.counters };
    this.#flusher = new Flusher(shared, rules.holdDownMs);
    this.#lookUps = new LookUps(shared);
    this.#acknowledger = new Acknowledger(shared, (bytes, to) => this.#loop.send(bytes, to));
  }

  get address(): string {
    return this.#loop.address;
  }

  get port(): number {
    return this.#loop.port;
  }

  /** Flushes everything through the gate; resolves when that flush has ended, well or not. */
  flushAll(who: string): Promise<void> {
    return new Promise((resolve) => this.#flusher.request("all", who, () => resolve()));
  }

  /** New rules from the next datagram on; rejects, and keeps the old ones, if it can't listen. */
  async configure(rules: ReceiverRules): Promise<void> {
    const { address, port, holdDownMs } = rules;
    if (address !== this.#rules.address || port !== this.#rules.port) {
      await this.#loop.move(address, port);
    }
    this.#rules = rules;
    this.#flusher.setHoldDown(holdDownMs);
  }

  /** Looks at no more datagrams; does the pending flush, sends what waits, closes. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#flusher.finish();
    await this.#acknowledger.finish();
    this.#loop.stop();
    this.#refusals.close();
  }

  #openLoop(): DatagramLoop {
    const { report, time, open } = this.#parts;
    const { counters } = this;
    const reportFailed = createLimitedReport(report, "receiveFailed", time);
    const place = () => ({ address: this.address, port: this.port });
    const { address, port } = this.#rules;
    const events = {
      datagram: (bytes: Uint8Array, from: Deno.NetAddr) => this.#onDatagram(bytes, from),
      receiveFailed(error: unknown) {
        counters.count("receiveErrors");
        reportFailed(() => ({ error: systemReason(error) }));
      },
      lost: (error: unknown) => report("socketLost", { ...place(), error: systemReason(error) }),
      reopened() {
        counters.count("socketsReopened");
        report("socketReopened", place());
      },
    };
    return new DatagramLoop(address, port, events, time, open);
  }

  #onDatagram(bytes: Uint8Array, from: Deno.NetAddr): void {
    const source = parseSource(from.hostname);
    if (this.#isStopping || source === null) return;
    const verdict = accept(bytes, source, this.#rules, this.#state, this.#parts.time);
    switch (verdict.kind) {
      case "refused":
        return this.#onRefused(verdict, source);
      case "legacy":
        this.counters.count("legacy");
        return this.#flusher.request("all", `a legacy client (${formatAddress(source)})`);
      case "legacy copy":
        return this.counters.count("legacyCopies");
      case "stale":
        return this.#onStale(verdict, from);
      case "repeat":
        return this.#onRepeat(verdict, from);
      case "new":
        return this.#onNew(verdict, from, source);
    }
  }

  #onRefused(refusal: Refusal, source: AddressPrefix): void {
    const { reason, key } = refusal;
    this.counters.countRefused(reason);
    this.#refusals.refused(refusal, source);
    if (key === undefined) return;
    this.#reportBroken(() => ({ key: key.idText, source: formatAddress(source), reason }));
  }

  #onStale({ request, key, mac, clock: judgedBy }: StaleRequest, from: Deno.NetAddr): void {
    const { time, hostName } = this.#parts;
    this.counters.countAuthentic("stale", request.created, key.idText);
    this.#reportOffset(() => ({
      who: senderText(request, key, from),
      seconds: Math.round((request.created - judgedBy) / 1_000),
    }));
    if (!request.acknowledge || !this.#mayAckStale(time.monotonic())) return;
    const result = { status: "stale", error: 0, entries: 0, micros: 0, reports: [] } as const;
    this.#acknowledger.acknowledge(from, request.ackSpreadMs, () => {
      const now = this.#state.window.clock(readClock(time));
      return encodeAck({ ...result, clock: now, id: request.id, host: hostName }, key, mac);
    });
  }

  #onRepeat({ key, seen }: RepeatedRequest, from: Deno.NetAddr): void {
    this.counters.count("repeated");
    if (!seen.acknowledge) return;
    // While its flush is pending or running, the sender may have more than one address to tell.
    if (seen.result === null) addWaiting(seen, from);
    else this.#acknowledge(key, seen, seen.result, from);
  }

  #onNew(
    { request, key, seen, remembered }: NewRequest,
    from: Deno.NetAddr,
    source: AddressPrefix,
  ): void {
    this.counters.countAuthentic("accepted", request.created, key.idText);
    const who = senderText(request, key, from);
    this.#parts.report("accepted", { action: request.action, who });
    if (!remembered) {
      this.counters.count("unremembered");
      this.#reportFull(() => ({ capacity: this.#state.window.size, who }));
    }
    if (request.acknowledge) addWaiting(seen, from);
    const received = { request, source, who };
    const ended = (result: RequestResult) => this.#setResult(key, seen, result);
    // Probes change nothing, so they need no gate.
    if (request.action === "probe") return void this.#probe(received).then(ended);
    const scope = request.action === "flush all" ? "all" : request.addresses;
    this.#flusher.request(scope, who, async (outcome) => {
      if (outcome instanceof NeighborCacheError) return ended(failedResult(outcome));
      const { removed: entries, micros } = outcome;
      const reports = await this.#lookUps.resolve(received);
      ended({ status: "flushed", error: 0, entries, micros, reports });
    });
  }

  async #probe(received: ReceivedRequest): Promise<RequestResult> {
    try {
      const { entries, reports } = await this.#lookUps.look(received);
      return { status: "alive", error: 0, entries, micros: 0, reports };
    } catch (error) {
      return failedResult(toCacheError(error));
    }
  }

  /** Keeps a request's result for its copies and acknowledges it to those who wait. */
  #setResult(key: Key, seen: SeenRequest, result: RequestResult): void {
    seen.result = result;
    const { waiting } = seen;
    seen.waiting = [];
    for (const to of waiting) this.#acknowledge(key, seen, result, to);
  }

  #acknowledge(key: Key, seen: SeenRequest, result: RequestResult, to: Deno.NetAddr): void {
    if (seen.acks >= maxAcks) return;
    seen.acks++;
    const { time, hostName } = this.#parts;
    this.#acknowledger.acknowledge(to, seen.ackSpreadMs, () => {
      const ack = { ...result, clock: time.wall(), id: seen.id, host: hostName };
      return encodeAck(ack, key, seen.mac);
    });
  }
}

function failedResult({ code }: NeighborCacheError): RequestResult {
  return { status: "failed", error: code, entries: 0, micros: 0, reports: [] };
}

/** Who asks, for the log: `r1 (192.0.2.1, key 3a9c5e34)`. */
function senderText(request: FlushRequest, key: Key, from: Deno.NetAddr): string {
  return `${printable(request.sender) || "unnamed"} (${from.hostname}, key ${key.idText})`;
}
