/**
 * What is done for a sender that holds the key: flush or look, then ack; ack again; ack stale.
 */
import type { Report } from "../log/events.ts";
import { NeighborCacheError } from "../neighbors/neighbor_cache.ts";
import { encodeAck } from "../wire/ack.ts";
import type { AddressPrefix } from "../wire/ip_address.ts";
import type { Key } from "../wire/keyring.ts";
import type { FlushRequest } from "../wire/request.ts";
import { printable } from "../wire/text_field.ts";
import type { Verdict } from "./accept.ts";
import type { Acknowledger } from "./acknowledger.ts";
import { type Clock, readClock } from "./clock.ts";
import type { Counters } from "./counters.ts";
import { type Flusher, toCacheError } from "./flusher.ts";
import { createLimitedReport } from "./limited_report.ts";
import type { LookUps, Question } from "./look_ups.ts";
import { createRateLimit } from "./rate_limit.ts";
import {
  acksMost,
  type Destination,
  type Outcome,
  type ReplayWindow,
  type SeenRequest,
} from "./replay_window.ts";

/** The verdicts on authentic requests. */
export type AuthenticVerdict = Verdict & { readonly kind: "accepted" | "repeat" | "stale" };

/** What the handler needs. */
export interface RequestHandlerParts {
  readonly window: ReplayWindow;
  readonly flusher: Flusher;
  readonly lookUps: LookUps;
  readonly acknowledger: Acknowledger;
  readonly report: Report;
  readonly counters: Counters;
  readonly clock: Clock;
  /** The name in acks. */
  readonly hostName: string;
}

/** Does what a verdict asks for. */
export type HandleRequest = (
  verdict: AuthenticVerdict,
  from: Destination,
  source: AddressPrefix,
) => void;

const staleAcks = { most: 2, periodMs: 1_000 } as const;

/** The handler of one receiver. */
export function createRequestHandler(parts: RequestHandlerParts): HandleRequest {
  const { window, flusher, lookUps, acknowledger, report, counters, clock, hostName } = parts;
  const reportOffset = createLimitedReport(report, "clockOffset", clock.monotonic);
  const reportFull = createLimitedReport(report, "replayWindowFull", clock.monotonic);
  const mayAckStale = createRateLimit(staleAcks.most, staleAcks.periodMs);

  function onStale(
    { request, key, mac, clock: judgedBy }: Verdict & { kind: "stale" },
    from: Destination,
  ): void {
    counters.countAuthentic("stale", request.created, key.idText);
    reportOffset(() => ({
      who: askerText(request, key, from),
      seconds: Math.round((request.created - judgedBy) / 1_000),
    }));
    if (!request.acknowledge || !mayAckStale(clock.monotonic())) return;
    const outcome = { status: "stale", error: 0, entries: 0, micros: 0, reports: [] } as const;
    acknowledger.acknowledge(from, request.ackSpreadMs, () =>
      encodeAck(
        { ...outcome, clock: window.clock(readClock(clock)), id: request.id, host: hostName },
        key,
        mac,
      ));
  }

  function onRepeat({ key, seen }: Verdict & { kind: "repeat" }, from: Destination): void {
    counters.count("repeated");
    if (!seen.acknowledge) return;
    if (seen.outcome !== null) return acknowledge(key, seen, seen.outcome, from);
    // The flush is still to come; the sender may have more than one address to tell it to.
    const waits = seen.waiting.some(({ hostname, port }) =>
      hostname === from.hostname && port === from.port
    );
    if (!waits && seen.waiting.length < acksMost) seen.waiting.push(from);
  }

  function onAccepted(
    { request, key, seen, remembered }: Verdict & { kind: "accepted" },
    from: Destination,
    source: AddressPrefix,
  ): void {
    counters.countAuthentic("accepted", request.created, key.idText);
    const who = askerText(request, key, from);
    report("accepted", { action: request.action, who });
    if (!remembered) {
      counters.count("unremembered");
      reportFull(() => ({ capacity: window.size, who }));
    }
    if (request.acknowledge) seen.waiting.push(from);
    const conclude = (outcome: Outcome) => {
      seen.outcome = outcome;
      const waiting = seen.waiting;
      seen.waiting = [];
      for (const to of waiting) acknowledge(key, seen, outcome, to);
    };
    const question = { request, source, who };
    // Probes change nothing, so they need no gate.
    if (request.action === "probe") return void probe(question, conclude);
    flusher.request(request.action === "flush all" ? "all" : request.addresses, {
      who,
      async ended(result) {
        if (result instanceof NeighborCacheError) return conclude(failedOutcome(result));
        const { removed: entries, micros } = result;
        const { reports } = await lookUps.resolve(question);
        conclude({ status: "flushed", error: 0, entries, micros, reports });
      },
    });
  }

  async function probe(question: Question, conclude: (outcome: Outcome) => void): Promise<void> {
    try {
      const { entries, reports } = await lookUps.look(question);
      conclude({ status: "alive", error: 0, entries, micros: 0, reports });
    } catch (error) {
      conclude(failedOutcome(toCacheError(error)));
    }
  }

  function acknowledge(key: Key, seen: SeenRequest, outcome: Outcome, to: Destination): void {
    if (seen.acks >= acksMost) return;
    seen.acks++;
    acknowledger.acknowledge(to, seen.ackSpreadMs, () =>
      encodeAck(
        { ...outcome, clock: clock.wall(), id: seen.id, host: hostName },
        key,
        seen.mac,
      ));
  }

  return (verdict, from, source) => {
    switch (verdict.kind) {
      case "accepted":
        return onAccepted(verdict, from, source);
      case "repeat":
        return onRepeat(verdict, from);
      case "stale":
        return onStale(verdict, from);
    }
  };
}

function failedOutcome({ code }: NeighborCacheError): Outcome {
  return { status: "failed", error: code, entries: 0, micros: 0, reports: [] };
}

/** Who asks, for the log: `r1 (192.0.2.1, key 3a9c5e34)`. */
function askerText(request: FlushRequest, key: Key, from: Destination): string {
  return `${printable(request.sender) || "unnamed"} (${from.hostname}, key ${key.idText})`;
}
