/**
 * Sends acks: each to the source of the datagram it answers, after a random delay up to the spread
 * that the request asks for, so that a thousand hosts don't answer at once.
 */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { type NeighborCache, toCacheError } from "../neighbors/neighbor_cache.ts";
import type { After } from "../time.ts";
import type { NeighborReport } from "../wire/ack.ts";
import { type AddressPrefix, formatAddress, formatPrefix } from "../wire/addresses.ts";
import type { FlushRequest } from "../wire/request.ts";
import type { Counters } from "./counters.ts";
import { createLimitedReport } from "./rate_limits.ts";
import type { Destination } from "./replay_window.ts";

/** What the acknowledger needs. */
export interface AcknowledgerParts {
  readonly send: (bytes: Uint8Array, to: Destination) => Promise<void>;
  readonly after: After;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly now: () => number;
  readonly report: Report;
  readonly counters: Counters;
}

/** Acks that wait for their time. */
export interface Acknowledger {
  /** Sends what `encode` makes at that time, so that the ack's clock is right. */
  acknowledge(to: Destination, spreadMs: number, encode: () => Uint8Array): void;
  /** Sends everything that waits, at once; resolves when it has been handed to the system. */
  hurry(): Promise<void>;
}

/** Delayed acks at most; one more is dropped, which is counted. */
const delayedMost = 4_096;

/** An acknowledger with nothing to send. */
export function createAcknowledger(parts: AcknowledgerParts): Acknowledger {
  const { send, after, random, now, report, counters } = parts;
  const delayed = new Map<() => Promise<void>, () => void>();
  const reportFailure = createLimitedReport(report, "ackFailed", now);

  async function sendNow(to: Destination, encode: () => Uint8Array): Promise<void> {
    try {
      await send(encode(), to);
      counters.count("acksSent");
    } catch (error) {
      counters.count("acksFailed");
      reportFailure(() => ({
        destination: `${to.hostname} port ${to.port}`,
        error: systemReason(error),
      }));
    }
  }

  return {
    acknowledge(to, spreadMs, encode) {
      if (spreadMs === 0) return void sendNow(to, encode);
      if (delayed.size >= delayedMost) return counters.count("acksDropped");
      const run = () => {
        delayed.delete(run);
        return sendNow(to, encode);
      };
      delayed.set(run, after(random() * spreadMs, run));
    },
    async hurry() {
      const waiting = [...delayed];
      await Promise.all(waiting.map(([run, cancel]) => {
        cancel();
        return run();
      }));
    },
  };
}

// The neighbor reports in acks: `look` for probes, `resolve` after flushes. Each may be a process of its own, so few run at once, equal ones are shared, and too many are left out.

/** What a look at the cache gives. */
export interface LookUp {
  /** Entries in the cache; 0 after a resolution, which doesn't count them. */
  readonly entries: number;
  /** One for each address, in the request's order, if it asks for a report; else none. */
  readonly reports: readonly NeighborReport[];
}

/** A request and where it came from. */
export interface Question {
  readonly request: FlushRequest;
  readonly source: AddressPrefix;
  /** For the log. */
  readonly who: string;
}

/** The two ways to look. */
export interface LookUps {
  /** The cache as it is. Rejects with a `NeighborCacheError`. */
  look(question: Question): Promise<LookUp>;
  /** The addresses resolved anew. Never rejects: what can't be resolved is "not looked at". */
  resolve(question: Question): Promise<LookUp>;
}

const atOnce = 4;
const waitingMost = 64;

/** Look-ups over a cache; `now` is monotonic in ms. */
export function createLookUps(cache: NeighborCache, report: Report, now: () => number): LookUps {
  const run = createJobQueue<LookUp>(atOnce, waitingMost);
  const reportFailure = createLimitedReport(report, "lookFailed", now);
  const reportOverload = createLimitedReport(report, "lookOverload", now);

  function queued(
    how: "look" | "resolve",
    { request, source, who }: Question,
    job: () => Promise<LookUp>,
  ): Promise<LookUp> {
    const addresses = request.report ? request.addresses.map(formatPrefix) : [];
    const key = [how, formatAddress(source), ...addresses].join(" ");
    const result = run(key, job);
    if (result !== null) return result;
    reportOverload(() => ({ who }));
    return Promise.resolve(nothingLooked(request));
  }

  return {
    async look(question) {
      const { request, source, who } = question;
      try {
        return await queued("look", question, async () => ({
          entries: (await cache.list()).length,
          reports: request.report ? await cache.look(request.addresses, source) : [],
        }));
      } catch (error) {
        const failure = toCacheError(error);
        reportFailure(() => ({ who, error: failure.message }));
        throw failure;
      }
    },
    async resolve(question) {
      const { request, source, who } = question;
      if (!request.report) return nothingLooked(request);
      try {
        return await queued("resolve", question, async () => ({
          entries: 0,
          reports: await cache.resolve(request.addresses, source),
        }));
      } catch (error) {
        reportFailure(() => ({ who, error: toCacheError(error).message }));
        return nothingLooked(request);
      }
    },
  };
}

function nothingLooked(request: FlushRequest): LookUp {
  const none: NeighborReport = { state: "not looked at", linkLayerAddress: new Uint8Array(6) };
  return { entries: 0, reports: request.report ? request.addresses.map(() => none) : [] };
}

// Bounds what runs at once against the neighbor cache: each look or resolution may be a process of its own and take a second. Equal jobs that have not started yet are one job.

/** Runs a job, or joins the waiting one with the same key; null when too many are waiting. */
export type RunJob<Result> = (key: string, job: () => Promise<Result>) => Promise<Result> | null;

/** A queue that runs `atOnce` jobs at a time and holds at most `waitingMost` more. */
export function createJobQueue<Result>(atOnce: number, waitingMost: number): RunJob<Result> {
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
    const beginsNow = running < atOnce;
    if (!beginsNow && waiting.size >= waitingMost) return null;
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
