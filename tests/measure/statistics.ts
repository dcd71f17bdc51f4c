/** The statistics of all measurements. */

/** The value below which a part of the values lies, 0 to 1; interpolated. NaN of no values. */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Median of the ratios repetition by repetition: what slows the machine for a while slows the
 * measurement and its peer alike.
 */
export function pairedRatio(values: readonly number[], peer: readonly number[]): number {
  return median(values.map((value, i) => value / peer[i]));
}

/**
 * How memory grew over readings in order: the largest median of a later quarter over the median of
 * the first. Medians, because garbage makes single readings go up and down.
 */
export function growth(readings: readonly number[]): number {
  const length = Math.ceil(readings.length / 4);
  const quarters = [0, 1, 2, 3].map((i) => readings.slice(i * length, (i + 1) * length));
  const medians = quarters.filter((part) => part.length > 0).map(median);
  return Math.max(...medians) / medians[0];
}

/** How many standard deviations a count of successes is from its expectation. */
export function deviations(successes: number, trials: number, probability: number): number {
  const deviation = Math.sqrt(trials * probability * (1 - probability));
  return (successes - trials * probability) / deviation;
}

/** Welch's t statistic of the second sample against the first. */
export function welchT(first: readonly number[], second: readonly number[]): number {
  const [a, b] = [first, second].map((values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { mean, error: squares / (values.length - 1) / values.length };
  });
  return (b.mean - a.mean) / Math.sqrt(a.error + b.error);
}

/** Numbers from 0 to below 1 that depend on the seed alone (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** A number with three significant digits, below 10 with two; whole ones below 10,000 as they are. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "none";
  const exact = Number.isInteger(value) && Math.abs(value) < 10_000;
  const digits = Math.abs(value) < 9.95 ? 2 : 3;
  return value.toLocaleString("en-US", exact ? {} : { maximumSignificantDigits: digits });
}
