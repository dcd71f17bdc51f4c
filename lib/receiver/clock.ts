/** Time as the receive path sees it: handed in everywhere, so that tests own it. */

/** The two clocks of a host. */
export interface Clock {
  /** Milliseconds that never go back; their zero means nothing. For durations. */
  readonly monotonic: () => number;
  /** Unix time in ms as the host believes it; an administrator or NTP may step it either way. */
  readonly wall: () => number;
}

/** One reading of both clocks. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
}

/** The process's own clocks. */
export const systemClock: Clock = { monotonic: () => performance.now(), wall: () => Date.now() };

/** Both clocks now. */
export function readClock(clock: Clock): Instant {
  return { monotonic: clock.monotonic(), wall: clock.wall() };
}

/** Calls `run` once after a time in ms, unless the returned function is called before. */
export type After = (ms: number, run: () => void) => () => void;

/** `After` by the runtime's timers. They may be early by less than 1 ms, which callers allow for. */
export const systemAfter: After = (ms, run) => {
  const timer = setTimeout(run, Math.max(0, Math.ceil(ms)));
  return () => clearTimeout(timer);
};
