/** Time as the sender sees it; tests put a virtual one in its place. */

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
