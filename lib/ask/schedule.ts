/**
 * When which host is asked, and by what: the order of the hosts, the pace of broadcasts on a link, and
 * how long answers are waited for. Pure; times are ms on the monotonic clock, Infinity: never.
 */
import type { AddressPrefix } from "../wire/addresses.ts";
import { arpRequest, broadcastMac, neighborSolicitation, solicitedNode } from "./frames.ts";
import type { Inquiry } from "./inquiry.ts";
import type { Witness } from "./witnesses.ts";

/** How often the silent are asked again: those that were known or named, and idle addresses. */
const retries = { known: 3, idle: 1 } as const;

/** An inquiry, and what is to be done about it next. */
export class AskItem {
  /** How often it has been asked, or solicited twice. */
  tries = 0;
  /** IPv6: the next solicitation is a try's second, together with the control's. */
  isSecond = false;
  /** The next request goes to the host alone, which has answered and proved nothing. */
  isUnicast = false;
  askAt: number;
  /** When it was asked last, and when this try began. */
  askedAt = Infinity;
  triedAt = Infinity;
  /** The number of the next step, and when it is due. */
  step = 0;
  stepAt = Infinity;
  /** It is there: the verdict comes after the last step. */
  isBegun = false;
  concludeAt = Infinity;
  /** Its own service has said what is true. */
  isTold = false;
  isWatched = false;

  /** One that is asked from a time on; if it is known, it is probed before. */
  constructor(
    readonly inquiry: Inquiry,
    /** This router's own address for the control; null if it has none beside those in question. */
    public control: AddressPrefix | null,
    start: number,
  ) {
    this.askAt = inquiry.mac === null ? start : Infinity;
  }

  /** It counts: nobody else has told of the host, and there is something to heal. */
  get isCounted(): boolean {
    return !this.isTold && !this.inquiry.holdsAddress;
  }

  /** How often it is asked if it stays silent. */
  get maxTries(): number {
    const { question, mac } = this.inquiry;
    return 1 + (question.expected || mac !== null ? retries.known : retries.idle);
  }

  /** Whose turn it is: who was seen wrong or is half asked, the known, the named, the rest, second tries. */
  get rank(): number {
    const { isSeenWrong, mac, question } = this.inquiry;
    if (this.isUnicast) return 4;
    if (isSeenWrong || this.isSecond) return 0;
    return mac !== null ? 1 : question.expected ? 2 : 3;
  }

  /** The request, or the two solicitations, that are next. */
  requestFrames(probeOnly: boolean): Uint8Array<ArrayBuffer>[] {
    const { control, isSecond, isUnicast } = this;
    const { question: { host, address, expected }, ownMac: sourceMac, mac } = this.inquiry;
    // A drill asks from the router's own address, which tells where an unknown host is; so does the last
    // try for one that is expected: who answers that and not the address in question isn't off.
    const isLast = host.family === 4 && expected && this.tries === retries.known;
    const withControl = !isUnicast && (isSecond || isLast);
    const senders = probeOnly ? [control] : withControl ? [address, control] : [address];
    const node = solicitedNode(host);
    return senders.filter((from) => from !== null).map((from) => {
      if (host.family === 4) {
        const destinationMac = isUnicast ? mac ?? broadcastMac : broadcastMac;
        return arpRequest({ sourceMac, destinationMac, from, to: host });
      }
      const way = isUnicast && mac !== null
        ? { destinationMac: mac, to: host }
        : { destinationMac: node.mac, to: node.to };
      return neighborSolicitation({ sourceMac, from, ...way }, host);
    });
  }
}

/**
 * Up to this pace all that a second allows may go at once: the worst hosts are helped first, and a
 * switch that counts by the second counts no more. Above it they are spread evenly.
 */
const maxBurst = 10;
const secondMs = 1_000;
/** Faster than timers go: what one was late by is made up for, but not more of it. */
const fastPace = 100;
const maxLagMs = 50;

/** Says when the next packet may go, at a number of them a second. */
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

/** An answer that takes twice as long as the slowest is still no late one. */
const safety = 2;
/** A wired host answers in less than one ms, one behind an access point that saves power in some 100. */
const minPatienceMs = 80;
const maxPatienceMs = 200;

/**
 * How long a host's answers are waited for: by the slowest that its link has given so far, so that a
 * quick link has its verdicts soon and a slow host isn't given up. What this process was late to read
 * counts as the link's slowness, which is right: it is late for the next answer, too.
 */
export class Patience {
  #slowestMs = 0;

  /** The time from one try to the next. */
  get ms(): number {
    return Math.min(maxPatienceMs, Math.max(minPatienceMs, safety * this.#slowestMs));
  }

  /** Takes in how long an answer took. */
  note(ms: number): void {
    this.#slowestMs = Math.max(this.#slowestMs, ms);
  }
}

/** What is sent to a host at once, and how long it has until the next, in parts of the patience. */
interface Step {
  readonly kinds: readonly (Witness | "request")[];
  readonly patience: number;
}

/**
 * What is sent to a host that has answered or is known. "request": once more for the host alone. A host
 * that proves nothing has had three pings and three rounds of TCP then; most prove themselves by the
 * first.
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
