/** How fast broadcasts go out. */

/**
 * Up to this pace all that a second allows may go at once: the worst hosts are helped first, and a
 * switch that counts by the second counts no more. Above it they are spread evenly.
 */
const maxBurst = 10;
const secondMs = 1_000;
/** Faster than timers go: what one was late by is made up for, but not more of it. */
const fastPace = 100;
const maxLagMs = 50;

/** Says when the next broadcast may go, at a number of them a second; times on the monotonic clock. */
export class Pace {
  readonly #perSecond: number;
  /** When the latest ones went: as many as a second allows, or one. */
  readonly #times: number[] = [];
  #nextAt = -Infinity;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  get nextAt(): number {
    return this.#nextAt;
  }

  note(now: number, count: number): void {
    if (this.#perSecond > maxBurst) {
      const lagMs = this.#perSecond > fastPace ? maxLagMs : 0;
      const from = this.#nextAt === -Infinity ? now : Math.max(this.#nextAt, now - lagMs);
      this.#nextAt = from + count * secondMs / this.#perSecond;
      return;
    }
    for (let i = 0; i < count; i++) this.#times.push(now);
    this.#times.splice(0, this.#times.length - this.#perSecond);
    if (this.#times.length === this.#perSecond) this.#nextAt = this.#times[0] + secondMs;
  }
}
