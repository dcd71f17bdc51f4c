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
const retryMs = 1_000;
/** From the second solicitation of a try to the end of the try, in parts of the patience. */
const solicitedPatience = 3;

/** What is sent to a host at once, and how long it has until the next, in parts of the patience. */
interface Step {
  readonly witnesses: readonly Witness[];
  /** Once more a request, for the host alone. */
  readonly withRequest: boolean;
  readonly patience: number;
}

/**
 * What is sent to a host that has answered or is known. One that proves nothing has had three pings and
 * three rounds of TCP then; most prove themselves by the first.
 */
const steps: readonly Step[] = [
  { witnesses: ["echo"], withRequest: false, patience: 1 / 2 },
  { witnesses: ["tcp"], withRequest: false, patience: 1 / 2 },
  { witnesses: ["echo", "udp", "holder"], withRequest: true, patience: 1 / 2 },
  { witnesses: ["tcp"], withRequest: false, patience: 1 / 2 },
  { witnesses: ["echo", "tcp"], withRequest: false, patience: 1 },
];
/** The first step for an IPv6 host that has kept silent to two solicitations and answers the control. */
export const stepOfSolicited = 2;
/** Where packets get lost, the last step is repeated so often. */
const repeats = 3;
/** Steps of one host. */
const maxSteps = steps.length + repeats;

/** An inquiry, and what is to be done about it next. */
export class AskItem {
  askAt: number;
  /** When it was asked last, and when this try began. */
  askedAt = Infinity;
  #triedAt = Infinity;
  /** How often it has been asked, or solicited twice. */
  #tries = 0;
  /** IPv6: the next solicitation is a try's second, together with the control's. */
  #isSecond = false;
  /** The next request goes to the host alone, which has answered and proved nothing. */
  #isUnicast = false;
  /** The number of the next step, and when it is due. */
  step = 0;
  stepAt = Infinity;
  /** It is there: the verdict comes after the last step. */
  #isBegun = false;
  concludeAt = Infinity;
  /** Its own service has said what is true. */
  isTold = false;
  isWatched = false;

  /** One that is asked from a time on; if it is known, it is probed before. */
  constructor(
    readonly inquiry: Inquiry,
    /** This router's own address for the control; null if it has none beside those in question. */
    public control: AddressPrefix | null,
    /** Nobody is asked: only what is true is found out. */
    readonly probeOnly: boolean,
    start: number,
  ) {
    this.askAt = inquiry.mac === null ? start : Infinity;
  }

  /** It counts: nobody else has told of the host, and there is something to heal. */
  get isCounted(): boolean {
    return !this.isTold && !this.inquiry.holdsAddress;
  }

  /** Whether it is asked again if it stays silent. */
  get #isToRetry(): boolean {
    const { question, mac } = this.inquiry;
    const isKnown = question.expected || mac !== null;
    return this.#tries < 1 + (isKnown ? retries.known : retries.idle);
  }

  /** Whose turn it is: who was seen wrong or is half asked, the known, the named, the rest, second tries. */
  get rank(): number {
    const { isSeenWrong, mac, question } = this.inquiry;
    if (this.#isUnicast) return 4;
    if (isSeenWrong || this.#isSecond) return 0;
    return mac !== null ? 1 : question.expected ? 2 : 3;
  }

  /** The request, or the two solicitations, that are next. */
  requestFrames(): Uint8Array<ArrayBuffer>[] {
    const { control } = this;
    const { question: { host, address, expected }, ownMac: sourceMac, mac } = this.inquiry;
    // A drill asks from the router's own address, which tells where an unknown host is; so does the last
    // try for one that is expected: who answers that and not the address in question isn't off.
    const isLast = host.family === 4 && expected && this.#tries === retries.known;
    const withControl = !this.#isUnicast && (this.#isSecond || isLast);
    const senders = this.probeOnly ? [control] : withControl ? [address, control] : [address];
    const toAll = host.family === 4
      ? { destinationMac: broadcastMac, to: host }
      : solicitedNode(host);
    const to = this.#isUnicast && mac !== null ? { destinationMac: mac, to: host } : toAll;
    return senders.filter((from) => from !== null).map((from) => {
      const way = { sourceMac, from, ...to };
      return host.family === 4 ? arpRequest(way) : neighborSolicitation(way, host);
    });
  }

  /** Those have been sent. */
  noteAsked(now: number, patienceMs: number): void {
    const { inquiry, probeOnly } = this;
    const [isUnicast, isSecond] = [this.#isUnicast, this.#isSecond];
    this.askedAt = now;
    this.askAt = Infinity;
    this.#isUnicast = this.#isSecond = false;
    if (!probeOnly) inquiry.asks++;
    if (isUnicast) return;
    if (!isSecond) this.#triedAt = now;
    if (inquiry.question.host.family === 6 && !isSecond && !probeOnly) {
      this.#isSecond = true;
      this.askAt = now + patienceMs;
    } else {
      this.#tries++;
      if (isSecond) this.concludeAt = now + solicitedPatience * patienceMs;
      else if (this.#isToRetry) this.askAt = now + retryMs;
      else this.concludeAt = now + retryMs;
    }
    // It may have taken the request though its reply doesn't come.
    if (inquiry.mac !== null && !probeOnly && this.stepAt === Infinity) {
      this.step = 0;
      this.stepAt = now;
    }
  }

  /** The host is there: it is asked no more, and has to prove itself. */
  begin(now: number, step = 0): void {
    this.askAt = this.concludeAt = Infinity;
    if (this.inquiry.verdict !== null) return;
    this.#isBegun = true;
    this.step = step;
    this.stepAt = now;
  }

  /** Takes the next step; gives what is to be sent. */
  takeStep(now: number, patienceMs: number): readonly Witness[] {
    const isLast = this.step >= steps.length - 1;
    const { witnesses, withRequest, patience } = steps[Math.min(this.step, steps.length - 1)];
    // Who was kept waiting by a busy machine has as much time for an answer as everybody.
    const next = now + patience * patienceMs;
    this.stepAt = isLast ? Infinity : next;
    if (isLast && this.#isBegun) this.concludeAt = next;
    if (withRequest && this.inquiry.isAnswered && !this.probeOnly) {
      this.askAt = now;
      this.#isUnicast = true;
    }
    this.step++;
    return witnesses;
  }

  /** There was time enough for this try: goes on, or decides. */
  conclude(now: number): void {
    const { inquiry, probeOnly } = this;
    this.concludeAt = Infinity;
    const { host, expected } = inquiry.question;
    const isSilent = !inquiry.isAnswered && !inquiry.isControlAnswered;
    if (host.family === 6 && isSilent && !probeOnly && this.#isToRetry) {
      this.askAt = Math.max(now, this.#triedAt + retryMs);
    } else if (inquiry.isDoubtful && this.step < maxSteps) {
      this.#isBegun = true;
      this.stepAt = now;
    } else if (probeOnly && isSilent && !inquiry.isSeenWrong && expected) {
      // Nobody was asked: its silence may be a firewall's.
      inquiry.abandon(now);
    } else inquiry.conclude(now);
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
