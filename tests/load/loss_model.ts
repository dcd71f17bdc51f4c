/** Ways to lose datagrams, and the theory of what five copies make of each. Pure. */

/** Whether the next datagram, so many ms behind the one before it, is lost. */
export type LossModel = (gapMs: number) => boolean;

/** Uniform in [0, 1), the same for the same seed: mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Each datagram on its own. */
export function independentLoss(probability: number, random: () => number): LossModel {
  return () => random() < probability;
}

/** Bursts as Gilbert has them: everything is lost while the path is bad, nothing while it is good. */
export interface Bursts {
  /** The part of the time that the path is bad. */
  readonly probability: number;
  /** Mean length of a bad time. */
  readonly meanMs: number;
}

/** The probability that a path that was bad still is, or is again, after a time. */
function staysBad({ probability, meanMs }: Bursts, gapMs: number): number {
  // Rates out of the bad state and into it; the chain forgets at their sum.
  const out = 1 / meanMs;
  const into = out * probability / (1 - probability);
  return probability + (1 - probability) * Math.exp(-(out + into) * gapMs);
}

/** A path of its own, in its steady state at first. */
export function burstLoss(bursts: Bursts, random: () => number): LossModel {
  const { probability } = bursts;
  let bad: boolean | null = null;
  return (gapMs) => {
    const stays = staysBad(bursts, gapMs);
    // What flows from bad to good flows back from good to bad.
    const becomes = (1 - stays) * probability / (1 - probability);
    bad = random() < (bad === null ? probability : bad ? stays : becomes);
    return bad;
  };
}

/** The part of hosts that at least one of the copies reaches. */
export function independentReach(probability: number, copies: number): number {
  return 1 - probability ** copies;
}

/** The same with bursts. */
export function burstReach(bursts: Bursts, copies: number, intervalMs: number): number {
  return 1 - bursts.probability * staysBad(bursts, intervalMs) ** (copies - 1);
}

/** How many standard deviations a count of successes is from what is expected of it. */
export function deviations(successes: number, trials: number, probability: number): number {
  const deviation = Math.sqrt(trials * probability * (1 - probability));
  return (successes - trials * probability) / deviation;
}
