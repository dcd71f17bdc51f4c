import type { EventName, EventValues, Report } from "../log/events.ts";
import type { After } from "../time.ts";
import { type AddressPrefix, formatAddress } from "../wire/addresses.ts";
import type { RefusalReason } from "./accept.ts";
/**
 * Lets at most `most` things through in any period of `periodMs`; the caller hands in the monotonic
 * time in ms. True: let it through.
 */
export function createRateLimit(most: number, periodMs: number): (now: number) => boolean {
  const passed: number[] = [];
  return (now) => {
    while (passed.length > 0 && now - passed[0] >= periodMs) passed.shift();
    if (passed.length >= most) return false;
    passed.push(now);
    return true;
  };
}

// A report of one event that anybody on the network could cause: at most once a minute.

const everyMs = 60_000;

/** Reports the first event of its kind, then at most one a minute by the monotonic clock in ms. */
export function createLimitedReport(
  report: Report,
  event: EventName,
  now: () => number,
): (values: () => EventValues) => void {
  const passes = createRateLimit(1, everyMs);
  return (values) => {
    if (passes(now())) report(event, values());
  };
}

// What the log says about refused datagrams: the first at once, then one summary a minute at most, with counts by reason and the source that sent most. Never a datagram's content.

const summaryEveryMs = 60_000;
/** Sources counted in one summary; forged sources beyond it are only in the total. */
const sourcesMost = 256;

/** Refusals in a row for one reason and from one source. */
interface Refusals {
  readonly reason: RefusalReason;
  readonly source: AddressPrefix;
  count: number;
}

/** The log of refusals. */
export interface RefusalLog {
  refused(reason: RefusalReason, source: AddressPrefix): void;
  /** Says what has not been said yet, and ends. */
  close(): void;
}

/** A log of refusals, nothing refused yet. */
export function createRefusalLog(report: Report, after: After): RefusalLog {
  let reasons = new Map<RefusalReason, number>();
  let sources = new Map<string, number>();
  let cancel: (() => void) | null = null;
  // In a flood many in a row are alike, from a source that the receive path has parsed once.
  let alike: Refusals | null = null;

  function countAlike(): void {
    if (alike === null) return;
    const { reason, source, count } = alike;
    alike = null;
    reasons.set(reason, (reasons.get(reason) ?? 0) + count);
    const text = formatAddress(source);
    const known = sources.get(text) ?? 0;
    if (known > 0 || sources.size < sourcesMost) sources.set(text, known + count);
  }

  function summarize(): boolean {
    countAlike();
    if (reasons.size === 0) return false;
    const most = (counts: Map<string, number>) => [...counts].sort((a, b) => b[1] - a[1]);
    const [[source, sourceCount]] = most(sources);
    const list = most(reasons);
    report("refused", {
      count: list.reduce((sum, [, count]) => sum + count, 0),
      reasons: list.map(([reason, count]) => `${count} ${reason}`).join(", "),
      source,
      sourceCount,
    });
    reasons = new Map();
    sources = new Map();
    return true;
  }
  function rest(): void {
    cancel = after(summaryEveryMs, () => {
      cancel = null;
      if (summarize()) rest();
    });
  }

  return {
    refused(reason, source) {
      if (alike?.reason === reason && alike.source === source) alike.count++;
      else {
        countAlike();
        alike = { reason, source, count: 1 };
      }
      if (cancel !== null) return;
      summarize();
      rest();
    },
    close() {
      cancel?.();
      cancel = null;
      summarize();
    },
  };
}
