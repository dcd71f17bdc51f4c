/**
 * Asks hosts that run no service, one link at a time each on its own socket: a request from the
 * address in question for the host itself, which every host must take (RFC 826; for IPv6 a
 * solicitation), and then for a proof that it did. Hosts whose link-layer address is known are probed
 * first, by packets that change nothing, and only who fails is asked, the worst first.
 *
 * Nobody is asked for an address that this router doesn't hold at that moment: such a request would make
 * the very entries that it is to heal. Whether it holds it is looked up before each batch.
 */
import { messageOf } from "../errors.ts";
import type { FilterInstruction, PacketSocket } from "../libc/packet_socket.ts";
import type { Time } from "../time.ts";
import type { AddressPrefix, OwnInterface } from "../wire/addresses.ts";
import { filterProgram } from "./filter.ts";
import { addressKey, type Heard, readFrame } from "./frames.ts";
import { Inquiry, remarksOn } from "./inquiry.ts";
import { controlFor, createHolding, type Question } from "./questions.ts";
import { AskItem, Pace, Patience, stepOfSolicited } from "./schedule.ts";
import type { AskReport, AskResult } from "./verdicts.ts";
import {
  answeredStep,
  createWitnessIds,
  resetFrame,
  type Witness,
  witnessFrames,
  type WitnessIds,
} from "./witnesses.ts";

/** Opens a socket that hears a link's frames by a filter; throws an Error of one line. */
export type OpenSocket = (link: string, filter: readonly FilterInstruction[]) => PacketSocket;

/** How an asker asks. */
export interface AskerOptions {
  readonly openSocket: OpenSocket;
  /** This machine's interfaces as they are now. */
  readonly interfaces: () => readonly OwnInterface[];
  readonly time: Time;
  /** Broadcast requests a second. */
  readonly pace: number;
  /** Nobody is asked: only what is true is found out. */
  readonly probeOnly: boolean;
  /** Whether a host's own service has said by now what is true. */
  readonly isTold: (host: AddressPrefix) => boolean;
  /** Called with each host that has a verdict, idle addresses left out. */
  readonly watch: (result: AskResult) => void;
}

/** Echo requests a second to known hosts: they are no ARP, which switches count. */
const probesPerSecond = 1_000;
/**
 * From a probe to the request, for who hasn't answered it. A host on the link answers in a few ms; one
 * that is slower is asked in vain, which costs a broadcast.
 */
const probePatienceMs = 30;
/** Frames that are sent before what has come in is read. */
const maxBatch = 16;
/** Batches that go out one after the other: a wait is longer than a batch on a busy machine. */
const maxBatches = 16;
/** How long a link may take no frames before its hosts are given up. */
const maxRefusedMs = 2_000;
/** The longest wait for frames: the signal is looked at then. */
const maxWaitMs = 50;

/**
 * Asks, on all links at once, until each host has a verdict or the signal is aborted. Never rejects: a
 * link whose socket can't be opened is a remark, and its hosts are "not asked".
 */
export async function ask(
  questions: readonly Question[],
  options: AskerOptions,
  signal: AbortSignal,
): Promise<AskReport> {
  const start = options.time.monotonic();
  const byLink = Map.groupBy(questions, ({ link }) => link);
  const links = Array.from(byLink, ([link, own]) => new LinkAsker(link, own, options, start));
  const ended = await Promise.all(links.map((link) => link.run(signal)));
  return {
    results: ended.flatMap(({ results }) => results),
    remarks: ended.flatMap(({ remarks }) => remarks),
    hosts: ended.flatMap(({ hosts }) => hosts),
  };
}

class LinkAsker {
  /** Null if there is none to be had. */
  readonly #socket: PacketSocket | null = null;
  readonly #items: readonly AskItem[];
  readonly #byHost: ReadonlyMap<string, readonly AskItem[]>;
  readonly #ids: WitnessIds = createWitnessIds();
  readonly #remarks: string[] = [];
  /** Whether an address that packets on a link come from is this machine's right now. */
  readonly #isHeld: ReturnType<typeof createHolding>;
  /** Those that are still to be probed. */
  readonly #probes: AskItem[];
  readonly #probePace = new Pace(probesPerSecond);
  readonly #pace: Pace;
  readonly #patience = new Patience();
  /** All that had come in by then has been read. */
  #readUntil = -Infinity;
  /** Since when the kernel takes no frames; Infinity: it does. */
  #refusedSince = Infinity;
  /** Whoever is not known is asked from here on: those seen wrong have the first turn. */
  #askFrom: number;

  constructor(
    readonly link: string,
    questions: readonly Question[],
    readonly options: AskerOptions,
    readonly start: number,
  ) {
    this.#askFrom = start;
    this.#pace = new Pace(options.pace);
    this.#isHeld = createHolding(options.interfaces, options.time);
    const addresses = [
      ...new Map(questions.map(({ address }) => [addressKey(address), address])).values(),
    ];
    const own = options.interfaces();
    const controls = questions.map((question) => {
      const control = controlFor(question, addresses, own);
      // If there is none: another address in question, unless nobody is to be asked for that.
      if (control !== null || options.probeOnly) return control;
      return controlFor(question, [question.address], own);
    });
    try {
      const heard = [...addresses, ...controls.filter((control) => control !== null)];
      this.#socket = options.openSocket(link, filterProgram(heard));
    } catch (error) {
      this.#remarks.push(messageOf(error));
    }
    const mac = this.#socket?.linkLayerAddress ?? "";
    this.#items = questions.map((question, i) =>
      new AskItem(new Inquiry(question, mac), controls[i], options.probeOnly, start)
    );
    this.#byHost = Map.groupBy(this.#items, ({ inquiry }) => inquiry.hostKey);
    this.#probes = this.#items.filter(({ inquiry }) => inquiry.mac !== null);
  }

  async run(signal: AbortSignal): Promise<AskReport> {
    const socket = this.#socket;
    if (socket !== null) {
      try {
        while (!signal.aborted && this.#open().length > 0) {
          for (let batch = 1;; batch++) {
            this.#act();
            this.#read(socket);
            const isIdle = this.#nextAt() > this.#now() || this.#refusedSince < Infinity;
            if (isIdle || batch >= maxBatches) break;
          }
          await socket.wait(Math.max(1, Math.min(maxWaitMs, this.#nextAt() - this.#now())));
          this.#read(socket);
          this.#watch();
        }
      } finally {
        await socket.close();
      }
    }
    for (const { inquiry } of this.#items) inquiry.abandon(this.#now());
    this.#watch();
    this.#remarks.push(...remarksOn(this.#items.map(({ inquiry }) => inquiry)));
    const counted = this.#items.filter(({ isCounted }) => isCounted).map(({ inquiry }) => inquiry);
    return {
      results: counted.map((inquiry) => inquiry.resultSince(this.start)),
      remarks: this.#remarks,
      hosts: counted.flatMap((inquiry) => inquiry.neighbor ?? []),
    };
  }

  #now(): number {
    return this.options.time.monotonic();
  }

  /** Takes in what has come. */
  #read(socket: PacketSocket) {
    const now = this.#now();
    if (socket.receive((frame) => this.#hear(frame))) this.#readUntil = now;
  }

  /** Those without a verdict. */
  #open(): AskItem[] {
    return this.#items.filter(({ inquiry, isTold }) => inquiry.verdict === null && !isTold);
  }

  #watch() {
    for (const item of this.#items) {
      const { verdict, question } = item.inquiry;
      if (item.isWatched || verdict === null || !item.isCounted) continue;
      // Idle addresses are no event.
      if (verdict === "no answer" && !question.expected) continue;
      item.isWatched = true;
      this.options.watch(item.inquiry.resultSince(this.start));
    }
  }

  /**
   * Whether the address in question is this machine's right now; who can't be asked any more is given
   * up, and a control that has left is used no more.
   */
  #mayUse(item: AskItem): boolean {
    const { inquiry, control } = item;
    if (control !== null && !this.#isHeld(this.link, control)) item.control = null;
    const isHeld = this.#isHeld(this.link, inquiry.question.address);
    if (!isHeld) inquiry.abandon(this.#now());
    return isHeld;
  }

  /** Does what is due. */
  #act() {
    this.#sendProbes();
    for (const item of this.#open()) {
      if (item.stepAt <= this.#now()) this.#takeStep(item);
      // An answer that waits to be read counts.
      if (item.concludeAt <= this.#readUntil) item.conclude(this.#now());
    }
    this.#sendPaced();
  }

  /** A probe is one packet from the address in question; where nobody will be asked, all witnesses. */
  #sendProbes() {
    for (let i = 0; i < maxBatch && this.#probes.length > 0; i++) {
      const now = this.#now();
      if (now < this.#probePace.nextAt) return;
      this.#probePace.note(now, 1);
      const [item] = this.#probes.splice(0, 1);
      if (this.#isOver(item) || !this.#mayUse(item)) continue;
      if (this.options.probeOnly) {
        item.begin(now);
      } else {
        this.#sendWitness("echo", item, null, item.step);
        item.askAt = now + probePatienceMs;
      }
      this.#askFrom = now + probePatienceMs;
    }
  }

  /** Whether nothing has to be found out about a host any more. */
  #isOver(item: AskItem): boolean {
    item.isTold ||= this.options.isTold(item.inquiry.question.host);
    return item.isTold || item.inquiry.verdict !== null;
  }

  #takeStep(item: AskItem) {
    if (!this.#mayUse(item)) return;
    const { step } = item;
    for (const kind of item.takeStep(this.#now(), this.#patience.ms)) {
      this.#sendWitness(kind, item, item.control, step);
    }
  }

  #sendWitness(kind: Witness, { inquiry }: AskItem, control: AddressPrefix | null, step: number) {
    const { host, address } = inquiry.question;
    for (const destinationMac of inquiry.destinations) {
      const ends = { sourceMac: inquiry.ownMac, destinationMac, host, address };
      const frames = witnessFrames(kind, ends, control, this.#ids, step);
      for (const frame of frames) this.#socket?.send(frame);
    }
  }

  /** Sends broadcasts: to those seen wrong first, then to the known, the named and the idle. */
  #sendPaced() {
    const ready = this.#open().filter((item) => this.#askAt(item) <= this.#now());
    ready.sort((a, b) => a.rank - b.rank || a.askAt - b.askAt);
    for (const item of ready.slice(0, maxBatch)) {
      const now = this.#now();
      if (now < this.#pace.nextAt) return;
      if (this.#isOver(item) || !this.#mayUse(item)) continue;
      const frames = item.requestFrames();
      if (!frames.every((frame) => this.#socket?.send(frame))) return this.#noteRefused(now);
      this.#refusedSince = Infinity;
      this.#pace.note(now, frames.length);
      item.noteAsked(now, this.#patience.ms);
    }
  }

  /** When it may be asked; those that are still to be probed not yet. */
  #askAt({ inquiry, askAt }: AskItem): number {
    if (inquiry.mac !== null) return askAt;
    return this.#probes.length > 0 ? Infinity : Math.max(askAt, this.#askFrom);
  }

  /** There was no room, and will be after the next wait; or the link is down, and stays so. */
  #noteRefused(now: number) {
    this.#refusedSince = Math.min(this.#refusedSince, now);
    if (now - this.#refusedSince < maxRefusedMs) return;
    this.#remarks.push(`${this.link} takes no packets`);
    for (const { inquiry } of this.#open()) inquiry.abandon(now);
  }

  #hear(frame: Uint8Array) {
    const heard = readFrame(frame);
    const step = heard === null ? null : answeredStep(heard, this.#ids);
    if (heard === null || step === null) return;
    const now = this.#now();
    const host = heard.kind === "neighbor advertisement" ? heard.target : heard.from;
    const items = this.#byHost.get(host) ?? [];
    const item = items.find(({ inquiry }) => inquiry.addressKey === heard.to);
    if (item !== undefined) this.#hearAnswer(item, heard, now);
    for (const one of items) {
      if (one.control === null || addressKey(one.control) !== heard.to) continue;
      // A control that is in question itself has its own requests.
      if (item === undefined) this.#hearControl(one, one.control, heard, step, now);
      else one.inquiry.hearControl(heard, true, step);
    }
    if (item === undefined && heard.kind === "echo reply") this.#noteHolder(heard);
  }

  /** Takes in a frame to the address in question. */
  #hearAnswer(item: AskItem, heard: Heard, now: number) {
    const { inquiry } = item;
    const { isAnswered, isSeenWrong, verdict } = inquiry;
    inquiry.hear(heard, now);
    const isFirstWrong = !isSeenWrong && inquiry.isSeenWrong && inquiry.asks === 0;
    // Nothing more has to be waited for.
    if (isFirstWrong && !this.options.probeOnly) item.askAt = now;
    const isFirstAnswer = !isAnswered && inquiry.isAnswered;
    const isTakenBack = verdict !== null && inquiry.verdict === null;
    if (isTakenBack) item.isWatched = false;
    if (isFirstAnswer) this.#patience.note(Math.max(0, now - item.askedAt));
    if (isFirstAnswer || isTakenBack) item.begin(now);
    this.#reset(heard, inquiry.question.host, inquiry.question.address);
  }

  /** Takes in a frame to the control. */
  #hearControl(item: AskItem, control: AddressPrefix, heard: Heard, step: number, now: number) {
    const { inquiry } = item;
    const { probeOnly } = this.options;
    const { mac, isControlAnswered } = inquiry;
    inquiry.hearControl(heard, !probeOnly, step);
    const isFound = mac === null && inquiry.mac !== null;
    if (isFound && (heard.kind === "arp reply" || probeOnly)) item.begin(now);
    else if (!isControlAnswered && heard.kind === "neighbor advertisement") {
      item.begin(now, stepOfSolicited);
    }
    this.#reset(heard, inquiry.question.host, control);
  }

  /** A connection that was half opened is given up; this machine's own kernel may not have heard of it. */
  #reset(heard: Heard, host: AddressPrefix, from: AddressPrefix) {
    const frame = resetFrame(heard, host, from);
    const isOurs = heard.destinationMac === this.#socket?.linkLayerAddress;
    if (frame !== null && isOurs && this.#isHeld(this.link, from)) this.#socket?.send(frame);
  }

  /** The address in question itself answers this router: from the host that holds it, too. */
  #noteHolder({ from, sourceMac }: Heard) {
    for (const { inquiry } of this.#items) {
      if (inquiry.addressKey === from && inquiry.macs.has(sourceMac)) inquiry.holdsAddress = true;
    }
  }

  /** When something is due next. */
  #nextAt(): number {
    let next = this.#probes.length > 0 ? this.#probePace.nextAt : Infinity;
    for (const item of this.#open()) {
      const ask = Math.max(this.#askAt(item), this.#pace.nextAt);
      next = Math.min(next, item.stepAt, item.concludeAt, ask);
    }
    return next;
  }
}
