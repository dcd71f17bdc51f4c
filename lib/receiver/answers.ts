/** What senders are told: look-ups of neighbors for the reports in acks, and the acks themselves. */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { type NeighborCache, toCacheError } from "../neighbors/neighbor_cache.ts";
import type { Time } from "../time.ts";
import type { NeighborReport } from "../wire/ack.ts";
import { type AddressPrefix, formatAddress, formatPrefix } from "../wire/addresses.ts";
import type { FlushRequest } from "../wire/request.ts";
import type { Counters } from "./counters.ts";
import { createLimitedReport } from "./rate_limits.ts";

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
  readonly #send: (bytes: Uint8Array, to: Deno.NetAddr) => Promise<void>;
  readonly #reportFailure: ReturnType<typeof createLimitedReport>;
  /** What sends each delayed ack, and what cancels its timer. */
  readonly #delayed = new Map<() => Promise<void>, () => void>();

  constructor(
    parts: AcknowledgerParts,
    send: (bytes: Uint8Array, to: Deno.NetAddr) => Promise<void>,
  ) {
    this.#parts = parts;
    this.#send = send;
    this.#reportFailure = createLimitedReport(parts.report, "ackFailed", parts.time);
  }

  /** Sends what `encode` makes when its time has come, so that the ack's clock is right. */
  acknowledge(to: Deno.NetAddr, spreadMs: number, encode: () => Uint8Array): void {
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

  async #sendNow(to: Deno.NetAddr, encode: () => Uint8Array): Promise<void> {
    const { counters } = this.#parts;
    try {
      await this.#send(encode(), to);
      counters.count("acksSent");
    } catch (error) {
      counters.count("acksFailed");
      const destination = `${to.hostname} port ${to.port}`;
      this.#reportFailure(() => ({ destination, error: systemReason(error) }));
    }
  }
}

/** What was found in the cache. */
interface LookUp {
  /** Entries in the cache; 0 after a resolution, which doesn't count them. */
  readonly entries: number;
  /** One for each address, in the request's order, if it asks for a report; else none. */
  readonly reports: readonly NeighborReport[];
}

/** A request and where it came from. */
export interface ReceivedRequest {
  readonly request: FlushRequest;
  readonly source: AddressPrefix;
  /** For the log. */
  readonly who: string;
}

/** Look-ups that run at once: each may be a process of its own and take a second. */
const maxRunning = 4;
/** Look-ups that wait; a request over that gets a report of "not looked at". */
const maxWaiting = 64;

/** What look-ups work with. */
interface LookUpParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly time: Time;
}

/** The neighbor reports in acks: few are made at once, and equal ones are shared. */
export class LookUps {
  readonly #cache: NeighborCache;
  readonly #run = createJobQueue<LookUp>(maxRunning, maxWaiting);
  readonly #reportFailure: ReturnType<typeof createLimitedReport>;
  readonly #reportOverload: ReturnType<typeof createLimitedReport>;

  constructor({ cache, report, time }: LookUpParts) {
    this.#cache = cache;
    this.#reportFailure = createLimitedReport(report, "lookFailed", time);
    this.#reportOverload = createLimitedReport(report, "lookOverload", time);
  }

  /** For a probe: the cache as it is. Rejects with a `NeighborCacheError`. */
  async look(received: ReceivedRequest): Promise<LookUp> {
    const { request, source, who } = received;
    try {
      return await this.#queue("look", received, async () => ({
        entries: (await this.#cache.list()).length,
        reports: request.report ? await this.#cache.look(request.addresses, source) : [],
      }));
    } catch (error) {
      const failure = toCacheError(error);
      this.#reportFailure(() => ({ who, error: failure.message }));
      throw failure;
    }
  }

  /** After a flush: the addresses resolved anew, or "not looked at". Never rejects. */
  async resolve(received: ReceivedRequest): Promise<readonly NeighborReport[]> {
    const { request, source, who } = received;
    if (!request.report) return [];
    try {
      const { reports } = await this.#queue("resolve", received, async () => ({
        entries: 0,
        reports: await this.#cache.resolve(request.addresses, source),
      }));
      return reports;
    } catch (error) {
      this.#reportFailure(() => ({ who, error: toCacheError(error).message }));
      return notLookedAt(request);
    }
  }

  #queue(
    how: "look" | "resolve",
    { request, source, who }: ReceivedRequest,
    job: () => Promise<LookUp>,
  ): Promise<LookUp> {
    const addresses = request.addresses.map(formatPrefix);
    const result = this.#run([how, formatAddress(source), ...addresses].join(" "), job);
    if (result !== null) return result;
    this.#reportOverload(() => ({ who }));
    return Promise.resolve({ entries: 0, reports: notLookedAt(request) });
  }
}

function notLookedAt({ addresses }: FlushRequest): NeighborReport[] {
  const one: NeighborReport = { state: "not looked at", linkLayerAddress: new Uint8Array(6) };
  return addresses.map(() => one);
}

/**
 * A queue that runs some jobs at a time and holds some more. What it returns runs a job, or joins the
 * waiting one with the same key; it gives null when too many are waiting.
 */
function createJobQueue<Result>(
  maxRunning: number,
  maxWaiting: number,
): (key: string, job: () => Promise<Result>) => Promise<Result> | null {
  const waiting = new Map<string, { result: Promise<Result>; begin: () => void }>();
  let running = 0;

  function next(): void {
    running--;
    for (const [key, { begin }] of waiting) {
      waiting.delete(key);
      return begin();
    }
  }
  return (key, job) => {
    const same = waiting.get(key);
    if (same !== undefined) return same.result;
    const beginsNow = running < maxRunning;
    if (waiting.size >= maxWaiting) return null;
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    const begin = () => {
      running++;
      resolve();
    };
    const result = turn.then(job).finally(next);
    if (beginsNow) begin();
    else waiting.set(key, { result, begin });
    return result;
  };
}
