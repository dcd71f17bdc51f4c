/**
 * What the log says about refused datagrams: the first at once, then one summary a minute at most,
 * with counts by reason and the source that sent most. Never a datagram's content.
 */
import type { Report } from "../log/events.ts";
import { type AddressPrefix, formatAddress } from "../wire/ip_address.ts";
import type { RefusalReason } from "./accept.ts";
import type { After } from "./clock.ts";

const summaryEveryMs = 60_000;
/** Sources counted in one summary; forged sources beyond it are only in the total. */
const sourcesMost = 256;

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
  // In a flood many datagrams in a row come from one source, which the receive path parses once.
  let latest: AddressPrefix | null = null;
  let latestText = "";

  function summarize(): boolean {
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
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      if (source !== latest) [latest, latestText] = [source, formatAddress(source)];
      const count = sources.get(latestText) ?? 0;
      if (count > 0 || sources.size < sourcesMost) sources.set(latestText, count + 1);
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
