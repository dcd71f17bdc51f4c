/**
 * What is known of one address of this router at one host, from the frames that were heard. Pure:
 * the asker tells it what it sent and when, and what came in.
 *
 * An ARP reply is no proof: a host with a permanent entry answers, too. A packet for the address is, if
 * it was sent to this router's link-layer address by the host itself: one that came by way of the old
 * master has that one's link-layer address, and a time to live that is one less. A neighbor
 * advertisement is sent by the host's own entry, so its arrival is a proof.
 */
import { listText } from "../text.ts";
import { formatAddress, formatLinkLayerAddress } from "../wire/addresses.ts";
import { addressKey, type Heard } from "./frames.ts";
import type { Question } from "./questions.ts";
import type { AskResult, AskVerdict, Neighbor } from "./verdicts.ts";

/** Link-layer addresses that are believed to be one host's: bonds and failover pairs have some. */
const maxMacs = 4;
/** What a remark names before it counts the rest. */
const maxNamed = 3;
/** Machines that say they are one host. */
const maxClaims = 4;

/** What hosts start a packet's time to live with, less one: it was forwarded (RFC 1812, 5.3.1). */
const forwardedTtls: readonly number[] = [31, 63, 127, 254];

function isUnicast(mac: string): boolean {
  return (parseInt(mac.slice(0, 2), 16) & 1) === 0;
}

export class Inquiry {
  readonly hostKey: string;
  readonly addressKey: string;
  /** Link-layer addresses that the host itself was heard from, or was last seen at. */
  readonly macs = new Set<string>();
  /** Who answered that the host is at it: what the answer says, and where it came from. */
  readonly #claims = new Map<string, string>();
  /** There are more. */
  #isCrowded = false;
  /** Where right frames came from. */
  readonly #proofs = new Set<string>();
  /** ARP or Neighbor Discovery requests for the host that went out from the address in question. */
  asks = 0;
  /** Where the host was seen to send what is for the address. */
  #wrong: string | null = null;
  /** A right frame came in; before anything was asked, or after. */
  #right: "ok" | "healed" | null = null;
  /** The steps at which it answered this router's own address. */
  readonly #controls = new Set<number>();
  /** It answered the request from the address in question. */
  isAnswered = false;
  /** It holds the address itself, as a server behind a load balancer does: there is nothing to heal. */
  holdsAddress = false;
  #verdict: AskVerdict | null = null;
  #decidedAt = 0;

  constructor(readonly question: Question, readonly ownMac: string) {
    this.hostKey = addressKey(question.host);
    this.addressKey = addressKey(question.address);
    if (question.linkLayerAddress !== null) this.macs.add(question.linkLayerAddress);
  }

  /** Null until it is decided. */
  get verdict(): AskVerdict | null {
    return this.#verdict;
  }

  /** It answers this router's own address. */
  get isControlAnswered(): boolean {
    return this.#controls.size > 0;
  }

  /** It did so once: of its other answers, and of those to the address, some may have been lost. */
  get isDoubtful(): boolean {
    return this.#controls.size === 1 && this.#wrong === null;
  }

  get isSeenWrong(): boolean {
    return this.#wrong !== null;
  }

  /** A link-layer address to send to; null if none is known. */
  get mac(): string | null {
    return [...this.macs].at(-1) ?? null;
  }

  /** Where a proof may come from: from whoever says that it is the host. */
  get destinations(): readonly string[] {
    if (this.#claims.size > 0) return [...this.#claims.keys()];
    return this.mac === null ? [] : [this.mac];
  }

  /** Several machines say that they are the host. */
  get isContested(): boolean {
    return this.#claims.size > 1;
  }

  /** Right frames came from where the host was last, or from all who say that they are it. */
  get #isProven(): boolean {
    if (this.#proofs.has(this.question.linkLayerAddress ?? "")) return true;
    if (this.#isCrowded) return false;
    // A bond answers from another of its addresses than it says.
    return !this.isContested ||
      this.#claims.entries().every((macs) => macs.some((mac) => this.#proofs.has(mac)));
  }

  /** Takes a frame from the host to the address in question. */
  hear(heard: Heard, now: number): void {
    const { sourceMac, destinationMac } = heard;
    const isOurs = destinationMac === this.ownMac;
    switch (heard.kind) {
      case "arp reply":
        if (isOurs) this.#claim(sourceMac, heard.senderMac);
        this.isAnswered ||= isOurs;
        return;
      case "arp request":
      case "neighbor solicitation":
        // To all it asks because it has no entry; to one it asks whether its entry still holds.
        // Nobody had to receive anything to send it.
        if (!isUnicast(destinationMac) || !this.macs.has(sourceMac)) return;
        return isOurs ? this.#noteRight(sourceMac, now) : this.#noteWrong(destinationMac, now);
      case "neighbor advertisement":
        this.isAnswered ||= isOurs;
        if (isOurs) this.#claim(sourceMac, sourceMac);
        if (!this.macs.has(sourceMac)) return;
        break;
    }
    const isForwarded = "ttl" in heard && forwardedTtls.includes(heard.ttl);
    if (!isOurs) {
      if (isUnicast(destinationMac)) this.#noteWrong(destinationMac, now);
    } else if (this.macs.has(sourceMac)) {
      if (!isForwarded) this.#noteRight(sourceMac, now);
    } else if (isForwarded) this.#noteWrong(sourceMac, now);
  }

  /**
   * Takes a frame from the host to this router's own address. It counts as the control of what the
   * address in question was sent at a step: of solicitations too, unless nobody is asked.
   */
  hearControl(heard: Heard, isAsking: boolean, step: number): void {
    if (heard.destinationMac !== this.ownMac) return;
    const isForwarded = "ttl" in heard && forwardedTtls.includes(heard.ttl);
    const { sourceMac } = heard;
    if (heard.kind === "arp reply") this.#claim(sourceMac, heard.senderMac);
    else if (heard.kind === "neighbor advertisement") this.#claim(sourceMac, sourceMac);
    else if (heard.kind !== "arp request" && !isForwarded) this.#hearDirectly(sourceMac);
    // An ARP reply to our own address says where the host is, not that a packet arrives.
    if (heard.kind === "arp reply" || heard.kind === "arp request") return;
    if (isAsking || heard.kind !== "neighbor advertisement") this.#controls.add(step);
  }

  #hearDirectly(...macs: readonly string[]) {
    for (const mac of macs.filter(isUnicast)) {
      if (this.macs.size < maxMacs) this.macs.add(mac);
    }
  }

  /** A claim that isn't proven takes a verdict back: the proof may have been somebody else's. */
  #claim(sourceMac: string, senderMac: string) {
    this.#hearDirectly(sourceMac, senderMac);
    if (!isUnicast(senderMac)) return;
    if (this.#claims.size < maxClaims) this.#claims.set(senderMac, sourceMac);
    else if (!this.#claims.has(senderMac)) this.#isCrowded = true;
    const isRight = this.#verdict === "healed" || this.#verdict === "ok";
    if (isRight && !this.#isProven) this.#verdict = null;
  }

  #noteRight(mac: string, now: number) {
    this.#proofs.add(mac);
    if (!this.#isProven) return;
    this.#right ??= this.asks === 0 ? "ok" : "healed";
    // What was stuck or silent may prove itself right while others are waited for.
    if (this.#verdict !== this.#right && this.#verdict !== "not asked") {
      this.#decide(this.#right, now);
    }
  }

  #noteWrong(mac: string, now: number) {
    this.#wrong = mac;
    if (this.#verdict === "no answer" || this.#verdict === "asked") this.#decide("stuck", now);
  }

  #decide(verdict: AskVerdict, now: number) {
    this.#verdict = verdict;
    this.#decidedAt = now;
  }

  /** There was time enough: decides by what has been heard. */
  conclude(now: number): void {
    if (this.#verdict !== null) return;
    const isUnproven = this.isControlAnswered && this.#proofs.size === 0 && !this.holdsAddress;
    const isStuck = this.#wrong !== null || isUnproven;
    const isHeard = this.isAnswered || this.#proofs.size > 0;
    this.#decide(isStuck ? "stuck" : isHeard ? "asked" : "no answer", now);
  }

  /** It won't be asked any more: nothing is told of it but what has been seen. */
  abandon(now: number): void {
    if (this.#verdict === null) this.#decide(this.#wrong !== null ? "stuck" : "not asked", now);
  }

  /** The host as it was heard; null if it wasn't. */
  get neighbor(): Neighbor | null {
    const { link, host } = this.question;
    const isHeard = this.isAnswered || this.isControlAnswered || this.#right !== null;
    const { mac } = this;
    return isHeard && mac !== null ? { link, address: host, linkLayerAddress: mac } : null;
  }

  /** What is known at the end, for a run that began at `start`. */
  resultSince(start: number): AskResult {
    const verdict = this.#verdict ?? "not asked";
    const mac = verdict === "stuck"
      ? this.#wrong
      : verdict === "healed" || verdict === "ok"
      ? this.ownMac
      : null;
    return {
      ...this.question,
      host: formatAddress(this.question.host),
      verdict,
      linkLayerAddress: mac === null ? null : Uint8Array.fromHex(mac),
      ms: this.#decidedAt - start,
    };
  }
}

/** What is to be said of hosts besides their verdicts, a line each. */
export function remarksOn(inquiries: readonly Inquiry[]): string[] {
  const remark = (what: string, some: readonly Inquiry[], text: (one: Inquiry) => string) =>
    some.length === 0 ? [] : [`${what}: ${listText(some.map(text), maxNamed)}`];
  const host = ({ question }: Inquiry) => formatAddress(question.host);
  const holders = inquiries.filter(({ holdsAddress }) => holdsAddress);
  const contested = inquiries.filter(({ isContested }) => isContested);
  return [
    ...remark("not judged, they hold the address themselves", holders, host),
    ...remark("several machines have one address", contested, (one) => {
      const macs = one.destinations.toSorted().map((mac) => Uint8Array.fromHex(mac));
      return `${host(one)} at ${macs.map(formatLinkLayerAddress).join(" and ")}`;
    }),
  ];
}
