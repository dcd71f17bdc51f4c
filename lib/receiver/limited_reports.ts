/** Limits on the log lines that anybody on the network could cause. */
import type { EventName, EventValues, Report } from "../log/events.ts";
import type { Clock, Time } from "../time.ts";
import { type AddressPrefix, formatAddress } from "../wire/addresses.ts";
import type { Refusal, RefusalReason } from "./accept.ts";

const minuteMs = 60_000;

/** A report that drops events; `values` is called only for what is reported. */
export type LimitedReport = (event: EventName, values: () => EventValues) => void;

/** Reports the first event of each kind, then at most one a minute of that kind. */
export function createLimitedReport(report: Report, { monotonic }: Clock): LimitedReport {
  /** Monotonic ms of what was reported last. */
  const reportedAt = new Map<EventName, number>();
  return (event, values) => {
    const now = monotonic();
    if (now - (reportedAt.get(event) ?? -Infinity) < minuteMs) return;
    reportedAt.set(event, now);
    report(event, values());
  };
}

/** Sources counted in one summary; forged sources beyond it are only in the total. */
const maxSources = 256;

/**
 * What the log says about refused datagrams: the first at once, then one summary a minute at most,
 * with counts by reason and the source that sent most. Never a datagram's content.
 */
export class RefusalLog {
  readonly #report: Report;
  readonly #time: Time;
  #reasons = new Map<RefusalReason, number>();
  #sources = new Map<string, number>();
  #cancelTimer: (() => void) | null = null;
  /** In a flood many in a row are alike, from a source that the receive path has parsed once. */
  #alike: { reason: RefusalReason; source: AddressPrefix; count: number } | null = null;

  constructor(report: Report, time: Time) {
    this.#report = report;
    this.#time = time;
  }

  refused({ reason }: Pick<Refusal, "reason">, source: AddressPrefix): void {
    if (this.#alike?.reason === reason && this.#alike.source === source) this.#alike.count++;
    else {
      this.#countAlike();
      this.#alike = { reason, source, count: 1 };
    }
    if (this.#cancelTimer !== null) return;
    this.#summarize();
    this.#setTimer();
  }

  /** Says what has not been said yet, and ends. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#summarize();
  }

  #setTimer(): void {
    this.#cancelTimer = this.#time.after(minuteMs, () => {
      this.#cancelTimer = null;
      if (this.#summarize()) this.#setTimer();
    });
  }

  #countAlike(): void {
    if (this.#alike === null) return;
    const { reason, source, count } = this.#alike;
    this.#alike = null;
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + count);
    const text = formatAddress(source);
    const known = this.#sources.get(text) ?? 0;
    if (known > 0 || this.#sources.size < maxSources) this.#sources.set(text, known + count);
  }

  /** Reports what was refused since the last summary; false if nothing was. */
  #summarize(): boolean {
    this.#countAlike();
    if (this.#reasons.size === 0) return false;
    const [[source, sourceCount]] = mostFirst(this.#sources);
    const reasons = mostFirst(this.#reasons);
    this.#report("refused", {
      count: reasons.reduce((sum, [, count]) => sum + count, 0),
      reasons: reasons.map(([reason, count]) => `${count} ${reason}`).join(", "),
      source,
      sourceCount,
    });
    this.#reasons = new Map();
    this.#sources = new Map();
    return true;
  }
}

function mostFirst(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort((a, b) => b[1] - a[1]);
}
