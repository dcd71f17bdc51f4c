/** What senders are told: look-ups of neighbors for the reports in acks, and the acks themselves. */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import {
  type FoundNeighbor,
  foundWithout,
  type NeighborCache,
  type NeighborCacheError,
  toCacheError,
} from "../neighbors/neighbor_cache.ts";
import type { Time } from "../time.ts";
import type { NeighborReport } from "../wire/ack.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  isWholeAddress,
} from "../wire/addresses.ts";
import type { FlushRequest } from "../wire/request.ts";
import type { Counters } from "./counters.ts";
import type { Peer } from "./listeners.ts";
import { createLimitedReport, type LimitedReport } from "./limited_reports.ts";
import type { RequestResult } from "./replay_window.ts";

/** Delayed acks; one more is dropped, which is counted. */
const maxDelayedAcks = 4_096;

/** What an acknowledger works with. */
interface AcknowledgerParts {
  readonly report: Report;
  readonly counters: Counters;
  readonly time: Time;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Sends acks, each to the source of the datagram it answers, after a random delay up to the spread
 * that the request asks for, so that a thousand hosts don't answer at once.
 */
export class Acknowledger {
  readonly #parts: AcknowledgerParts;
  readonly #send: (bytes: Uint8Array, to: Peer) => Promise<void>;
  readonly #report: LimitedReport;
  /** What sends each delayed ack, and what cancels its timer. */
  readonly #delayed = new Map<() => Promise<void>, () => void>();

  constructor(
    parts: AcknowledgerParts,
    send: (bytes: Uint8Array, to: Peer) => Promise<void>,
  ) {
    this.#parts = parts;
    this.#send = send;
    this.#report = createLimitedReport(parts.report, parts.time);
  }

  /** Sends what `encode` makes when its time has come, so that the ack's clock is right. */
  acknowledge(to: Peer, spreadMs: number, encode: () => Uint8Array): void {
    const { time, random, counters } = this.#parts;
    if (spreadMs === 0) return void this.#sendNow(to, encode);
    if (this.#delayed.size >= maxDelayedAcks) return counters.count("acksDropped");
    const send = () => {
      this.#delayed.delete(send);
      return this.#sendNow(to, encode);
    };
    this.#delayed.set(send, time.after(random() * spreadMs, send));
  }

  /** Sends all that waits at once; resolves when it has been handed to the system. */
  async finish(): Promise<void> {
    await Promise.all([...this.#delayed].map(([send, cancel]) => {
      cancel();
      return send();
    }));
  }

  async #sendNow(to: Peer, encode: () => Uint8Array): Promise<void> {
    const { counters } = this.#parts;
    try {
      await this.#send(encode(), to);
      counters.count("acksSent");
    } catch (error) {
      counters.count("acksFailed");
      const destination = `${to.hostname} port ${to.port}`;
      this.#report("ackFailed", () => ({ destination, error: systemReason(error) }));
    }
  }
}

/** How long it is remembered that a flush removed an address's entry; of the last 4,096. */
const removedMemoryMs = 10 * 60_000;
const maxRemoved = 4_096;
/** How long a reading of the routes is good for: one reading for all reports of a failover. */
const maxRoutesAgeMs = 1_000;

/**
 * Turns what was found at addresses into reports: whether routes go through them, and whether flushes
 * have removed their entries, with a link-layer address, within 10 minutes. So a report tells an
 * address that nobody answers for and this host needs from one that it never used.
 */
export class Reporter {
  readonly #cache: NeighborCache;
  readonly #time: Time;
  readonly #report: LimitedReport;
  /** Monotonic ms of the last removal, in its order. */
  readonly #removedAt = new Map<string, number>();
  /** Null while the routes can't be read. */
  #nextHops: Promise<ReadonlySet<string> | null> = Promise.resolve(null);
  #readAt = -Infinity;

  constructor({ cache, report, time }: LookUpParts) {
    this.#cache = cache;
    this.#time = time;
    this.#report = createLimitedReport(report, time);
  }

  /** Notes addresses whose entries a flush has removed. */
  removed(addresses: readonly AddressPrefix[]): void {
    for (const address of addresses.map(formatAddress)) {
      this.#removedAt.delete(address);
      this.#removedAt.set(address, this.#time.monotonic());
    }
    for (const address of this.#removedAt.keys()) {
      if (this.#removedAt.size <= maxRemoved) break;
      this.#removedAt.delete(address);
    }
  }

  /**
   * The reports on whole addresses, in the order of what was found. Never rejects. Without the routes
   * nobody knows whether the host needs an address that had no entry and that nobody answers for.
   */
  async reports(
    addresses: readonly AddressPrefix[],
    found: readonly FoundNeighbor[],
    afterFlush: boolean,
  ): Promise<NeighborReport[]> {
    const nextHops = await this.#readNextHops();
    const now = this.#time.monotonic();
    return found.map((one, i) => {
      const isWhole = isWholeAddress(addresses[i]);
      const text = formatAddress(addresses[i]);
      const removedAt = this.#removedAt.get(text) ?? -Infinity;
      const cached = one.cached || afterFlush && isWhole && now - removedAt < removedMemoryMs;
      const isUntold = nextHops === null && afterFlush && !cached && one.state === "no neighbor";
      return {
        ...one,
        state: isUntold ? "unknown" : one.state,
        cached,
        gateway: isWhole && nextHops !== null && nextHops.has(text),
      };
    });
  }

  #readNextHops(): Promise<ReadonlySet<string> | null> {
    const now = this.#time.monotonic();
    if (now - this.#readAt < maxRoutesAgeMs) return this.#nextHops;
    this.#readAt = now;
    return this.#nextHops = this.#cache.nextHops().then(
      (addresses) => new Set(addresses.map(formatAddress)),
      (error) => {
        this.#readAt = -Infinity;
        const { message } = toCacheError(error);
        this.#report("lookFailed", () => ({ who: "this host's routes", error: message }));
        return null;
      },
    );
  }
}

/** A request and where it came from. */
export interface ReceivedRequest {
  readonly request: FlushRequest;
  readonly source: AddressPrefix;
  /** For the log. */
  readonly who: string;
}

/** Look-ups that run at once: each may be a process of its own. */
const maxRunning = 4;
/** Look-ups that wait; a probe over that gets reports of "unknown". */
const maxWaiting = 64;

/** What look-ups work with. */
interface LookUpParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly time: Time;
}

/** Look-ups for probes: few run at once, and equal ones are shared. */
export class LookUps {
  readonly #cache: NeighborCache;
  readonly #reporter: Reporter;
  /** By what they look up. */
  readonly #waiting = new Map<string, { result: Promise<RequestResult>; begin: () => void }>();
  #running = 0;
  readonly #report: LimitedReport;

  constructor({ cache, report, time }: LookUpParts, reporter: Reporter) {
    this.#cache = cache;
    this.#reporter = reporter;
    this.#report = createLimitedReport(report, time);
  }

  /** The cache as it is, for the addresses that a report is asked on. Never rejects. */
  async look({ request, source, who }: ReceivedRequest): Promise<RequestResult> {
    const { addresses } = request;
    const key = [formatAddress(source), ...addresses.map(formatPrefix)].join(" ");
    const alive = { status: "alive", error: 0, micros: 0 } as const;
    const result = this.#queue(key, async () => ({
      ...alive,
      entries: (await this.#cache.list()).length,
      reports: request.report ? await this.#look(addresses, source) : [],
    }));
    if (result === null) {
      this.#report("lookOverload", () => ({ who }));
      const unknown = { ...foundWithout("unknown"), gateway: false };
      return { ...alive, entries: 0, reports: addresses.map(() => unknown) };
    }
    try {
      return await result;
    } catch (error) {
      const failure = toCacheError(error);
      this.#report("lookFailed", () => ({ who, error: failure.message }));
      return failedResult(failure);
    }
  }

  async #look(
    addresses: readonly AddressPrefix[],
    source: AddressPrefix,
  ): Promise<NeighborReport[]> {
    const found = await this.#cache.look(addresses, source);
    return this.#reporter.reports(addresses, found, false);
  }

  /** Runs a job when its turn comes, or joins the waiting one with this key; null: too many wait. */
  #queue(key: string, job: () => Promise<RequestResult>): Promise<RequestResult> | null {
    const same = this.#waiting.get(key);
    if (same !== undefined) return same.result;
    const beginsNow = this.#running < maxRunning;
    if (!beginsNow && this.#waiting.size >= maxWaiting) return null;
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    const begin = () => {
      this.#running++;
      resolve();
    };
    const result = turn.then(job).finally(() => this.#next());
    if (beginsNow) begin();
    else this.#waiting.set(key, { result, begin });
    return result;
  }

  #next(): void {
    this.#running--;
    const [first] = this.#waiting;
    if (first === undefined) return;
    const [key, { begin }] = first;
    this.#waiting.delete(key);
    begin();
  }
}

/** The result of a request whose flush or look-up failed. */
export function failedResult({ code }: NeighborCacheError): RequestResult {
  return { status: "failed", error: code, entries: 0, micros: 0, reports: [] };
}
