/**
 * Bounds what runs at once against the neighbor cache: each look or resolution may be a process of
 * its own and take a second. Equal jobs that have not started yet are one job.
 */

/** Runs a job, or joins the waiting one with the same key; null when too many are waiting. */
export type RunJob<Result> = (key: string, job: () => Promise<Result>) => Promise<Result> | null;

/** A queue that runs `atOnce` jobs at a time and holds at most `waitingMost` more. */
export function createJobQueue<Result>(atOnce: number, waitingMost: number): RunJob<Result> {
  const waiting = new Map<string, { result: Promise<Result>; begin: () => void }>();
  let running = 0;

  function next(): void {
    running--;
    for (const [key, { begin }] of waiting) {
      waiting.delete(key);
      return begin();
    }
  }
  return (key, job) => {
    const same = waiting.get(key);
    if (same !== undefined) return same.result;
    const beginsNow = running < atOnce;
    if (!beginsNow && waiting.size >= waitingMost) return null;
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    const begin = () => {
      running++;
      resolve();
    };
    const result = turn.then(job).finally(next);
    if (beginsNow) begin();
    else waiting.set(key, { result, begin });
    return result;
  };
}
