/**
 * What the hosts of one run have answered. A host is its key and its instance: not its name, which
 * anybody can give himself, nor its address, of which it may have several. Only acks whose signature
 * was verified come in here. The rules are docs/protocol.md's "What the sender believes".
 */
import type { AckStatus, FlushAck } from "../wire/ack.ts";
import { type AddressPrefix, isWholeAddress } from "../wire/addresses.ts";
import type { Action } from "../wire/request.ts";
import type { ExpectedHost, ExpectedHosts } from "./expectation.ts";

/** A request of the run as acks are judged by it; a repair is judged as the request it repairs. */
export interface AskedRequest {
  /** The request id in hex. */
  readonly id: string;
  readonly action: Action;
  /** In the order of the datagram; a report has one entry for each. */
  readonly addresses: readonly AddressPrefix[];
  readonly report: boolean;
  /** Numbers of the links it went out on. */
  readonly links: readonly number[];
}

/** A verified ack, and how it came. */
export interface Answer {
  readonly ack: FlushAck;
  /** The source address, with its zone if it needs one. */
  readonly address: string;
  /** ms from the first copy to this ack. */
  readonly ms: number;
  readonly clock: ClockOffset;
}

/** How far the host's clock is from this machine's, in ms. */
export interface ClockOffset {
  /** The host's clock less this machine's: positive is ahead. */
  readonly ms: number;
  /** The offset may be wrong by so much, either way. */
  readonly errorMs: number;
}

/**
 * The offset of a host's clock by an ack that came at `now` (Unix ms) after a round trip in ms. The
 * host read its clock some time during the round trip: the middle is taken (RFC 5905, section 8).
 */
export function clockOffset(hostClock: number, now: number, roundTripMs: number): ClockOffset {
  return { ms: hostClock - (now - roundTripMs / 2), errorMs: roundTripMs / 2 };
}

/** Options of a run; what these functions say of a host or address may not change while it lasts. */
export interface HostsOptions {
  readonly requests: readonly AskedRequest[];
  /** Those who are expected have room, however many others answer. */
  readonly expected: ExpectedHosts;
  /** Whether an address is the sending machine's own. */
  isOwn(address: string): boolean;
  /**
   * Which of two decided answers to a request is worse: a negative number if it is the first.
   * Answers that tell the same are equal.
   */
  compare(a: FlushAck, b: FlushAck, request: AskedRequest): number;
}

/** One host. */
export interface Host {
  /** Its public key in hex. */
  readonly key: string;
  /** Its instance in hex: it changes when the service restarts. */
  readonly instance: string;
  /** The name that it gives; empty while only stale acks came, which carry none. */
  name: string;
  /** The addresses it answered from, in the order of their first acks; at least one. */
  readonly addresses: Set<string>;
  /** It is the sending machine, which is shown apart and never waited for. */
  readonly own: boolean;
  /** Acks received from it, repeated ones included. */
  acks: number;
  /** The offset with the smallest error: of the ack that came soonest after a copy. */
  clock: ClockOffset;
  /** What counts of its own answers, by the id of the request. */
  readonly answers: Map<string, Standing>;
  /** What the instances before it answered, by the id of the request. */
  readonly inherited: ReadonlyMap<string, Answer>;
}

/** What counts of a host's answers to one request. */
interface Standing {
  first: Answer | null;
  /** To the request's repair; counts as soon as there is one. */
  repair: Answer | null;
}

/** What became of an ack. */
export interface Noted {
  readonly host: Host;
  readonly request: AskedRequest;
  readonly answer: Answer;
}

/** Why an ack changed nothing. */
type NotCounted = "replaced instance" | "too many hosts";

/** An ack of a higher rank counts whatever came before or after it. */
const rank = { stale: 0, pending: 1, failed: 2, decided: 3 } as const;

/**
 * Whether an ack says what is true at the host: its flush is over, or the addresses in question were
 * flushed and looked at, and only the rest of the cache waits.
 */
export function isDecided({ status, reports }: FlushAck, { addresses }: AskedRequest): boolean {
  if (status === "alive" || status === "flushed") return true;
  return status === "pending" && reports.length > 0 && addresses.every(isWholeAddress);
}

function rankOf(ack: FlushAck, request: AskedRequest): number {
  return isDecided(ack, request)
    ? rank.decided
    : rank[ack.status as Exclude<AckStatus, "alive" | "flushed">];
}

/** Instances of one pinned key that have room, those that a restart replaced included. */
const maxPinnedInstances = 100;
/** Hosts that aren't expected, and restarts of hosts, that have room. */
const maxUnexpectedHosts = 10_000;

/** The hosts of one run. */
export class Hosts {
  readonly #options: HostsOptions;
  /** By key and instance. */
  readonly #hosts = new Map<string, Host>();
  /** The instance that answers from an address, by key and address. */
  readonly #atAddress = new Map<string, Host>();
  /** Instances that a restart replaced, by key and instance. */
  readonly #replaced = new Set<string>();
  readonly #pinnedInstances = new Map<string, number>();
  /** Expected hosts whose room somebody has; pinned ones have another. */
  readonly #roomTaken = new Set<ExpectedHost>();
  #unexpected = 0;

  /** The hosts of a run without answers. */
  constructor(options: HostsOptions) {
    this.#options = options;
  }

  /** Those that count, in the order of their first acks. */
  all(): Host[] {
    return [...this.#hosts.values()];
  }

  /** Notes a verified ack to a request of the run, or to the repair of one. */
  note(key: string, answer: Answer, request: AskedRequest, isRepair: boolean): Noted | NotCounted {
    const instance = answer.ack.instance.toHex();
    const identity = `${key} ${instance}`;
    if (this.#replaced.has(identity)) return "replaced instance";
    const host = this.#hosts.get(identity) ?? this.#admit(key, instance, answer);
    if (host === null) return "too many hosts";
    host.acks++;
    if (answer.clock.errorMs < host.clock.errorMs) host.clock = answer.clock;
    host.addresses.add(answer.address);
    this.#atAddress.set(`${key} ${answer.address}`, host);
    if (answer.ack.host !== "") host.name = answer.ack.host;
    const standing = host.answers.get(request.id) ?? { first: null, repair: null };
    const part = isRepair ? "repair" : "first";
    standing[part] = this.#counting(standing[part], answer, request);
    host.answers.set(request.id, standing);
    return { host, request, answer };
  }

  /** What counts of a host's answers to a request: its own, or the instance's before it. */
  answerOf(host: Host, request: AskedRequest): Answer | null {
    const standing = host.answers.get(request.id);
    const own = standing?.repair ?? standing?.first ?? null;
    if (own !== null && own.ack.status !== "stale") return own;
    return host.inherited.get(request.id) ?? own;
  }

  /**
   * The links that a host is on: those of the requests it answered that took one link alone; without
   * such an answer it may be on any.
   */
  linksOf(host: Host): ReadonlySet<number> {
    const { requests } = this.#options;
    const answered = requests.filter(({ id }) => host.answers.has(id) || host.inherited.has(id));
    const telling = answered.filter(({ links }) => links.length === 1);
    return new Set((telling.length > 0 ? telling : answered).flatMap(({ links }) => links));
  }

  /** The requests that a host must answer: all that went out on a link that it is on. */
  requestsOf(host: Host): AskedRequest[] {
    const on = this.linksOf(host);
    return this.#options.requests.filter(({ links }) => links.some((link) => on.has(link)));
  }

  /** Whether there is room for a host; takes it. */
  #takeRoom(host: Host): boolean {
    const { expected } = this.#options;
    if (expected.isPinned(host.key)) {
      const instances = (this.#pinnedInstances.get(host.key) ?? 0) + 1;
      this.#pinnedInstances.set(host.key, instances);
      return instances <= maxPinnedInstances;
    }
    if (host.own) return true;
    // Each line makes room once, so that nobody fills the memory by many keys under one name.
    const line = expected.candidates(host).find((one) => !this.#roomTaken.has(one));
    if (line !== undefined) {
      this.#roomTaken.add(line);
      return true;
    }
    return ++this.#unexpected <= maxUnexpectedHosts;
  }

  /** Makes room for an instance not seen before, in the place of the one at its address. */
  #admit(key: string, instance: string, answer: Answer): Host | null {
    const earlier = this.#atAddress.get(`${key} ${answer.address}`);
    const host: Host = {
      key,
      instance,
      name: answer.ack.host || (earlier?.name ?? ""),
      addresses: new Set(),
      own: this.#options.isOwn(answer.address),
      acks: 0,
      clock: answer.clock,
      answers: new Map(),
      inherited: earlier === undefined ? new Map() : this.#answersOf(earlier),
    };
    if (!this.#takeRoom(host)) return null;
    if (earlier !== undefined) {
      this.#replaced.add(`${earlier.key} ${earlier.instance}`);
      this.#hosts.delete(`${earlier.key} ${earlier.instance}`);
    }
    this.#hosts.set(`${key} ${instance}`, host);
    return host;
  }

  #answersOf(host: Host): Map<string, Answer> {
    const answers = new Map(host.inherited);
    for (const request of this.#options.requests) {
      const answer = this.answerOf(host, request);
      if (answer !== null) answers.set(request.id, answer);
    }
    return answers;
  }

  /** The one of two answers that counts. */
  #counting(current: Answer | null, next: Answer, request: AskedRequest): Answer {
    if (current === null) return next;
    const higher = rankOf(next.ack, request) - rankOf(current.ack, request);
    if (higher !== 0) return higher > 0 ? next : current;
    if (!isDecided(next.ack, request)) return next;
    return this.#options.compare(next.ack, current.ack, request) < 0 ? next : current;
  }
}
