/**
 * How long a host's answers are waited for: by the slowest that its link has given so far, so that a
 * quick link has its verdicts soon and a slow host isn't given up. What this process was late to read
 * counts as the link's slowness, which is right: it is late for the next answer, too.
 */
import type { Witness } from "./witnesses.ts";

/** An answer that takes twice as long as the slowest is still no late one. */
const safety = 2;
/** A wired host answers in less than one ms, one behind an access point that saves power in some 100. */
const minMs = 80;
const maxMs = 200;

/** The time from one try to the next on a link. */
export class Patience {
  #slowestMs = 0;

  get ms(): number {
    return Math.min(maxMs, Math.max(minMs, safety * this.#slowestMs));
  }

  /** Takes in how long an answer took. */
  note(ms: number): void {
    this.#slowestMs = Math.max(this.#slowestMs, ms);
  }
}

/** What is sent to a host at once, and how long it has until the next, in parts of the patience. */
interface Step {
  readonly kinds: readonly Witness[];
  readonly patience: number;
}

/**
 * What is sent to a host that has answered or is known. A host that proves nothing has had three pings
 * and three rounds of TCP then; most prove themselves by the first.
 */
const steps: readonly Step[] = [
  { kinds: ["echo"], patience: 1 / 2 },
  { kinds: ["tcp"], patience: 1 / 2 },
  { kinds: ["echo", "udp", "request", "holder"], patience: 1 / 2 },
  { kinds: ["tcp"], patience: 1 / 2 },
  { kinds: ["echo", "tcp"], patience: 1 },
];
/** The first step for an IPv6 host that has kept silent to two solicitations and answers the control. */
export const stepOfSolicited = 2;
/** Where packets get lost, the last step is repeated so often. */
const repeats = 3;

/** A step by its number, and whether it is the last but for repeated ones. */
export function stepAt(number: number): Step & { readonly isLast: boolean } {
  const last = steps.length - 1;
  return { ...steps[Math.min(number, last)], isLast: number >= last };
}

/** Steps of one host. */
export const maxSteps = steps.length + repeats;
