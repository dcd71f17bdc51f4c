/** From answers to outages. Times are in ms on any one clock. */

/** A time without answers: from the last answer before it to the first one after it. */
export interface Silence {
  readonly from: number;
  /** null: no answer until the end. */
  readonly to: number | null;
}

/** Silences of at least `leastMs` in answers that came at ascending times, watched until `end`. */
export function findSilences(answers: readonly number[], end: number, leastMs: number): Silence[] {
  const silences: Silence[] = [];
  answers.forEach((from, i) => {
    const to = answers[i + 1] ?? null;
    if ((to ?? end) - from >= leastMs) silences.push({ from, to });
  });
  return silences;
}

/** What a failure did to a host. */
export interface Outage {
  /** From the last answer to the next one, or to the end of the watch if none came. */
  readonly ms: number;
  /** Whether the next answer came before the next failure. */
  readonly healed: boolean;
}

/**
 * The outage after a failure: the longest silence that goes on after `failure` and has begun before
 * `until`, the next failure or the end of the watch. Without one the outage has 0 ms and is healed.
 */
export function outageAfter(
  silences: readonly Silence[],
  failure: number,
  { until, end }: { readonly until: number; readonly end: number },
): Outage {
  let longest: Outage = { ms: 0, healed: true };
  for (const { from, to } of silences) {
    if (from >= until || (to ?? end) <= failure) continue;
    const ms = (to ?? end) - from;
    if (ms > longest.ms) longest = { ms, healed: to !== null && to <= until };
  }
  return longest;
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2;
}
