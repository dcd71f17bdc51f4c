/** A histogram: how many values fell below each of some bounds. Observing costs a short loop. */

/** Values by size; counts only grow. */
export interface Histogram {
  /** Upper bounds, ascending; a value on a bound belongs below it. */
  readonly bounds: readonly number[];
  /** Values of each interval by itself; the last one holds what is over every bound. */
  readonly counts: readonly number[];
  /** Of all values. */
  readonly sum: number;
  observe(value: number): void;
}

/** An empty histogram. */
export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let sum = 0;
  return {
    bounds,
    counts,
    get sum() {
      return sum;
    },
    observe(value) {
      let i = 0;
      while (i < bounds.length && value > bounds[i]) i++;
      counts[i]++;
      sum += value;
    },
  };
}
