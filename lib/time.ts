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

// Time as the sender sees it; tests put a virtual one in its place.

export interface Time {
  /** Unix time in ms, as the machine's clock has it. */
  now(): number;
  /** ms on a clock that nobody sets. */
  monotonic(): number;
  /** Resolves after so many ms, at once when the signal is aborted before. Never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's own time. */
export const systemTime: Time = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    if (signal.aborted || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener("abort", end);
    });
  },
};

// Durations as a person writes them: `1s`, `200ms`, `0.5` (seconds).

/** A duration's text in ms, rounded to whole ones, or null. No unit means seconds. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})(ms|s)?$/.exec(text);
  if (match === null) return null;
  return Math.round(Number(match[1]) * (match[2] === "ms" ? 1 : 1000));
}

/** A duration as text that `parseDuration` reads back: whole seconds as `2s`, else `200ms`. */
export function formatDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
