/** Clocks, timers and durations. They are parameters wherever time matters: a test advances them. */

/** The two clocks of a host. */
export interface Clock {
  /** Milliseconds that never go back, from an arbitrary zero. For durations. */
  readonly monotonic: () => number;
  /** Unix time in ms as the host believes it; an administrator or NTP may step it either way. */
  readonly wall: () => number;
}

/** Calls `run` once after a time in ms, unless the returned function is called before. */
export type After = (ms: number, run: () => void) => () => void;

/** Clocks and timers. */
export interface Time extends Clock {
  readonly after: After;
}

/** The runtime's timers, which take whole ms. They may be early by less than 1 ms. */
export const systemAfter: After = (ms, run) => {
  const timer = setTimeout(run, Math.max(0, Math.ceil(ms)));
  return () => clearTimeout(timer);
};

/** The process's own clocks and timers. */
export const systemTime: Time = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after: systemAfter,
};

/** Resolves after a time in ms, or as soon as the signal is aborted. Never rejects. */
export function sleep(after: After, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted || ms <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = after(ms, end);
    signal?.addEventListener("abort", end);
  });
}

/** What a promise settles with, or `otherwise` if it hasn't settled after a time in ms. */
export async function within<Result, Otherwise>(
  after: After,
  ms: number,
  promise: Promise<Result>,
  otherwise: Otherwise,
): Promise<Result | Otherwise> {
  const { promise: late, resolve } = Promise.withResolvers<Otherwise>();
  const cancel = after(ms, () => resolve(otherwise));
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}

/**
 * The ms, rounded to whole ones, in a duration as a person writes it: `1s`, `200ms`, `0.5` (without
 * a unit: seconds). Null for any other text.
 */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})(ms|s)?$/.exec(text);
  if (match === null) return null;
  return Math.round(Number(match[1]) * (match[2] === "ms" ? 1 : 1000));
}

/** A duration as text that `parseDuration` reads back: whole seconds as `2s`, else `200ms`. */
export function formatDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
