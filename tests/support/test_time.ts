/** Clocks and timers that a test advances, so that no test waits. */
import type { Time } from "../../lib/time.ts";

/** Time that stands still until it is told to pass. */
export interface TestTime extends Time {
  /** Lets time pass on both clocks, running the timers that fall due, in order. */
  pass(ms: number): void;
  /** Lets time pass from timer to timer until a promise settles; fails when none is left. */
  until<Result>(promise: Promise<Result>): Promise<Result>;
  /** Steps the wall clock alone. */
  step(ms: number): void;
  /** Timers that wait. */
  readonly timers: number;
}

/** A time that starts at 1,000,000 ms on the monotonic clock and at a given Unix time in ms. */
export function createTestTime(startWall = 1_700_000_000_000): TestTime {
  let monotonic = 1_000_000;
  let wall = startWall;
  let timers: { at: number; run: () => void }[] = [];
  const time: TestTime = {
    monotonic: () => monotonic,
    wall: () => wall,
    after(ms, run) {
      const timer = { at: monotonic + Math.max(0, ms), run };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    pass(ms) {
      const end = monotonic + ms;
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        const to = next?.at ?? end;
        wall += to - monotonic;
        monotonic = to;
        if (next === undefined) return;
        timers = timers.filter((other) => other !== next);
        next.run();
      }
    },
    async until(promise) {
      let isSettled = false;
      const end = () => void (isSettled = true);
      promise.then(end, end);
      for (;;) {
        await settle();
        if (isSettled) return await promise;
        if (timers.length === 0) throw new Error("No timer is left, and the promise is open");
        time.pass(Math.min(...timers.map(({ at }) => at)) - monotonic);
      }
    },
    step: (ms) => void (wall += ms),
    get timers() {
      return timers.length;
    },
  };
  return time;
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(rounds = 60): Promise<void> {
  for (let i = 0; i < rounds; i++) await Promise.resolve();
}
