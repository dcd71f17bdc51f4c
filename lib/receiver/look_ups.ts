/**
 * The neighbor reports in acks: `look` for probes, `resolve` after flushes. Each may be a process of
 * its own, so few run at once, equal ones are shared, and too many are left out.
 */
import type { Report } from "../log/events.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import type { NeighborReport } from "../wire/ack.ts";
import { type AddressPrefix, formatAddress, formatPrefix } from "../wire/ip_address.ts";
import type { FlushRequest } from "../wire/request.ts";
import { toCacheError } from "./flusher.ts";
import { createJobQueue } from "./job_queue.ts";
import { createLimitedReport } from "./limited_report.ts";

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
