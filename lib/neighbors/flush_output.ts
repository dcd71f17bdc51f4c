/**
 * What `ip -statistics neigh flush` says it did. It lists the entries and deletes those it listed, in
 * rounds, until a round finds none.
 */

/** What the flushes of one run did. */
export interface FlushCount {
  /** Entries of the first round of each: those that were there when it began. */
  readonly removed: number;
  /** How many flushes came to their end. */
  readonly ended: number;
}

const firstRound = /^\*\*\* Round 1, deleting (\d+) entries \*\*\*$/;
const complete = /^(?:Nothing to flush\.|\*\*\* Flush is complete after \d+ rounds? \*\*\*)$/;
/**
 * What it prints when after ten rounds entries still come back, as they do on a host with traffic.
 * Each of the rounds removed whatever was there: the flush is done.
 */
const comesBack = /^\*\*\* Flush not complete bailing out after \d+ rounds$/;

/** Whether a line is that of a flush that entries keep coming back to. */
export function bailsOut(line: string): boolean {
  return comesBack.test(line);
}

/** Reads the lines of a run; what isn't known is left out. */
export function readFlushes(lines: readonly string[]): FlushCount {
  let removed = 0, ended = 0;
  for (const line of lines) {
    removed += Number(firstRound.exec(line)?.[1] ?? 0);
    if (complete.test(line) || bailsOut(line)) ended++;
  }
  return { removed, ended };
}
