/**
 * Whether the time a function takes tells two classes of input apart, the way of dudect (Reparaz,
 * Balasch, Verbauwhede: "Dude, is my code constant time?", 2017): calls of both classes in random
 * order, the slowest measurements cropped at several percentiles because an interrupt says nothing
 * about the function, and Welch's t statistic on what is left.
 */

/** Two classes of input for a function. */
export interface TimedCase {
  readonly name: string;
  /** Makes the input of class 0 or 1 ready, in the same memory for both; not measured. */
  readonly prepare: (one: number) => void;
  /** What is measured. */
  readonly call: () => boolean;
}

/** What came out. */
export interface Leak {
  readonly name: string;
  readonly calls: number;
  /** The t statistic of largest absolute value over all crops. */
  readonly t: number;
  /**
   * Mean of the second class less that of the first, in ns a call, over the fastest nine tenths: what
   * interrupts took is not in it.
   */
  readonly differenceNs: number;
  /** Median over both classes, in ns a call. */
  readonly medianNs: number;
}

/** dudect's own bounds: above the first there probably is a leak, above the second certainly. */
export const tBounds = { probable: 4.5, certain: 10 } as const;

/** Calls in one measurement: one alone takes less than reading the clock. */
const callsAtOnce = 8;
/** Shares of all measurements that are kept, the fastest ones. */
const kept = [1, 0.999, 0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1];
const differenceShare = 0.9;
/** Before the measurement, for the compiler. */
const warmUpCalls = 50_000;

/** Where results go without a branch on them, so that no call can be left out. */
export let result = false;

/** Measures a case with at least so many calls. */
export function measureLeak(timed: TimedCase, calls: number): Leak {
  const { name, prepare, call } = timed;
  const count = Math.ceil(calls / callsAtOnce);
  const classes = randomBits(count);
  const times = new Float64Array(count);
  for (let i = 0; i < warmUpCalls; i++) {
    prepare(i & 1);
    result = call();
  }
  for (let i = 0; i < count; i++) {
    prepare(classes[i]);
    const start = performance.now();
    for (let j = 0; j < callsAtOnce; j++) result = call();
    times[i] = performance.now() - start;
  }
  const sorted = times.toSorted();
  let worst = 0;
  let difference = 0;
  for (const share of kept) {
    const limit = sorted[Math.min(count - 1, Math.floor(share * count))];
    const statistic = welch(times, classes, limit);
    if (Math.abs(statistic.t) >= Math.abs(worst)) worst = statistic.t;
    if (share === differenceShare) difference = statistic.difference;
  }
  const nsPerCall = (ms: number) => ms * 1e6 / callsAtOnce;
  return {
    name,
    calls: count * callsAtOnce,
    t: worst,
    differenceNs: nsPerCall(difference),
    medianNs: nsPerCall(sorted[count >> 1]),
  };
}

function randomBits(count: number): Uint8Array {
  const bits = new Uint8Array(count);
  const chunk = 65_536;
  for (let at = 0; at < count; at += chunk) crypto.getRandomValues(bits.subarray(at, at + chunk));
  return bits.map((byte) => byte & 1);
}

/** Welch's t of the second class against the first, over the times up to a limit. */
export function welch(
  times: Float64Array,
  classes: Uint8Array,
  limit = Infinity,
): { readonly t: number; readonly difference: number } {
  const [n, mean, squares] = [[0, 0], [0, 0], [0, 0]];
  for (let i = 0; i < times.length; i++) {
    if (times[i] > limit) continue;
    const one = classes[i];
    n[one]++;
    const delta = times[i] - mean[one];
    mean[one] += delta / n[one];
    squares[one] += delta * (times[i] - mean[one]);
  }
  if (n[0] < 2 || n[1] < 2) return { t: 0, difference: 0 };
  const error = [0, 1].reduce((sum, one) => sum + squares[one] / (n[one] - 1) / n[one], 0);
  const difference = mean[1] - mean[0];
  return { t: error === 0 ? 0 : difference / Math.sqrt(error), difference };
}
