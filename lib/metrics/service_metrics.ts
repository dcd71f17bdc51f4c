/**
 * The service's numbers as metrics, which their help explains. No label's value comes from the
 * network: the words of outcomes and reasons are the program's, key ids are the settings'.
 */
import { counter, exposition, type Family, gauge, type Sample } from "../exposition.ts";
import type { Counters } from "../receiver/counters.ts";

/** What the numbers are about. */
export interface MeasuredService {
  readonly counters: Counters;
  /** Of the keys in effect. */
  readonly keyIds: readonly string[];
  /** The start of the service, Unix time in ms. */
  readonly startedAt: number;
  readonly version: string;
  /** The runtime's version. */
  readonly runtime: string;
}

/** The text of a metrics file. */
export function metricsText(measured: MeasuredService): string {
  return exposition([...about(measured), ...ofRequests(measured), ...ofFlushes(measured)]);
}

function about({ version, runtime, startedAt, keyIds, counters }: MeasuredService): Family[] {
  const used = counters.latest.keyUsed;
  return [
    gauge("build_info", "Version of the service and of its runtime.", [
      { labels: { version, deno: runtime }, value: 1 },
    ]),
    gauge("start_time_seconds", "Start of the service, Unix time.", [seconds(startedAt)]),
    gauge(
      "key_info",
      "Ids of the keys in effect.",
      keyIds.map((id) => ({ labels: { key_id: id }, value: 1 })),
    ),
    gauge(
      "key_last_request_timestamp_seconds",
      "Last accepted request by the key that signed it, Unix time.",
      keyIds.flatMap((id) => secondsOrNone(used.get(id) ?? null, { key_id: id })),
    ),
  ];
}

function ofRequests({ counters }: MeasuredService): Family[] {
  const { counted, refused, stale, latest: { clockOffset } } = counters;
  const outcomes = {
    accepted: counted.accepted,
    repeated: counted.repeated,
    legacy: counted.legacy,
    legacy_copy: counted.legacyCopies,
  };
  const { acksSent: sent, acksFailed: failed, acksDropped: dropped } = counted;
  return [
    counter(
      "requests_total",
      "Datagrams received, by outcome and why they were stale or refused.",
      [
        ...Object.entries(outcomes).map(([outcome, value]) => ({
          labels: { outcome, reason: "" },
          value,
        })),
        ...byReason("stale", stale),
        ...byReason("refused", refused),
      ],
    ),
    gauge(
      "clock_offset_seconds",
      "Sender's clock minus this host's when the last request came that was accepted or stale by it.",
      [
        ...secondsOrNone(clockOffset.accepted, { outcome: "accepted" }),
        ...secondsOrNone(clockOffset.stale, { outcome: "stale" }),
      ],
    ),
    counter("requests_unremembered_total", "Requests accepted while the replay window was full.", [
      { value: counted.unremembered },
    ]),
    counter("acks_total", "Acks, by what became of them.", byResult({ sent, failed, dropped })),
    counter("receive_errors_total", "Receives that failed.", [{ value: counted.receiveErrors }]),
    counter("sockets_reopened_total", "Sockets opened again because the old one was of no use.", [
      { value: counted.socketsReopened },
    ]),
  ];
}

function ofFlushes({ counters }: MeasuredService): Family[] {
  const { counted, flushSeconds, latest } = counters;
  // Flushes that still run are neither.
  const ok = flushSeconds.counts.reduce((sum, count) => sum + count, 0);
  return [
    counter(
      "flushes_total",
      "Flushes that have ended, by result.",
      byResult({ ok, failed: counted.flushesFailed }),
    ),
    {
      name: "arpflush_flush_duration_seconds",
      help: "Duration of flushes that did not fail.",
      type: "histogram",
      histogram: flushSeconds,
    },
    counter("entries_removed_total", "Entries removed from the neighbor cache.", [
      { value: counted.entriesRemoved },
    ]),
    gauge(
      "last_flush_timestamp_seconds",
      "End of the last flush that did not fail, Unix time.",
      secondsOrNone(latest.flushed),
    ),
  ];
}

function byResult(results: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(results).map(([result, value]) => ({ labels: { result }, value }));
}

function byReason(outcome: string, reasons: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(reasons).map(([reason, value]) => ({ labels: { outcome, reason }, value }));
}

function seconds(ms: number, labels: Sample["labels"] = {}): Sample {
  return { labels, value: ms / 1_000 };
}

function secondsOrNone(ms: number | null, labels: Sample["labels"] = {}): Sample[] {
  return ms === null ? [] : [seconds(ms, labels)];
}
