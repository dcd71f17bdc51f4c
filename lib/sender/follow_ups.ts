/**
 * What goes to single hosts besides the copies: the repair of a stale request, and the same request
 * again to a host whose flush was pending. No sockets and no timers: the exchange asks what is due.
 * Budgets keep a host that lies from making this router send, or wait, without an end.
 */
import type { ExpectedHosts } from "./expectation.ts";
import { type AskedRequest, type Host, isDecided, type Noted } from "./hosts.ts";

/** A repair goes out twice, this far apart. */
const repairIntervalMs = 300;
/** Sends of one repair, those that further stale acks cause included. */
const maxRepairSends = 6;
/** Hosts that are repaired in one run, besides pinned and expected ones. */
const maxRepairedHosts = 64;
/** Repairs of one request at one source address, unless the key is pinned. */
const maxRepairsAtAddress = 3;
/** A pending host is asked again 1 s after the time that it named, three times, 1.5 s apart. */
const pendingGraceMs = 1_000;
const pendingIntervalMs = 1_500;
const pendingSends = 3;
/** Pending answers that are asked about again; further hosts are only waited for. */
const maxPendingAsks = 1_024;
/** How much longer than other hosts a pending one is waited for. */
export const pendingPatienceMs = 15_000;

/** One datagram to one host. */
export interface FollowUp {
  readonly kind: "repair" | "pending";
  readonly host: Host;
  readonly request: AskedRequest;
  /** Where the host's ack came from. */
  readonly address: string;
  /** What the repaired request carries; null if the request goes out as it was. */
  readonly challenge: Uint8Array | null;
}

interface Repair {
  readonly followUp: FollowUp;
  /** Sends so far and those to come. */
  sends: number;
  /** When the last one is due. */
  lastAt: number;
  answered: boolean;
}

/** A follow-up that is to go out. */
interface Due {
  readonly at: number;
  /** The host's key and instance, and the request. */
  readonly id: string;
  readonly followUp: FollowUp;
}

/** What follow-ups depend on. */
export interface FollowUpOptions {
  /** How long acks are waited for after the last copy, and after a repair. */
  readonly waitMs: number;
  readonly expected: ExpectedHosts;
  /** Whether the run was sent to an address: nothing ever goes anywhere else. */
  wasSentTo(address: string): boolean;
}

/** The follow-ups of one run. All times are of one monotonic clock in ms. */
export class FollowUps {
  readonly #options: FollowUpOptions;
  /** By key, instance and request. */
  readonly #repairs = new Map<string, Repair>();
  /** Hosts without a good answer whose flush is to come, by key, instance and request. */
  readonly #pending = new Set<string>();
  readonly #repairsAtAddress = new Map<string, number>();
  readonly #repairedHosts = new Set<string>();
  /** In the order of their times. */
  readonly #queue: Due[] = [];

  /** The follow-ups of a run without answers. */
  constructor(options: FollowUpOptions) {
    this.#options = options;
  }

  /** Takes in an ack that counts. `lastCopyAt` is null while copies are still to be sent. */
  note(noted: Noted, isRepair: boolean, nowMs: number, lastCopyAt: number | null): void {
    const { host, request, answer: { ack } } = noted;
    const id = `${identityOf(host)} ${request.id}`;
    const repair = this.#repairs.get(id);
    if (isRepair && repair !== undefined) {
      repair.answered = true;
      this.#drop(id, "repair");
    }
    if (isDecided(ack, request)) {
      this.#pending.delete(id);
      this.#drop(id, "pending");
    } else if (ack.status === "stale" && !isRepair) {
      this.#noteStale(noted, id, nowMs, lastCopyAt);
    } else if (ack.status === "pending") this.#notePending(noted, id, nowMs);
  }

  /** What is due, which then counts as sent. */
  takeDue(nowMs: number): FollowUp[] {
    const count = this.#queue.findIndex(({ at }) => at > nowMs);
    return this.#queue.splice(0, count < 0 ? this.#queue.length : count)
      .map(({ followUp }) => followUp);
  }

  /** When the next one is due; Infinity if none is. */
  nextAt(): number {
    return this.#queue[0]?.at ?? Infinity;
  }

  /** Until when somebody is waited for, given when the last copy went out. */
  waitsUntil(lastCopyAt: number): number {
    const { waitMs } = this.#options;
    let until = lastCopyAt + waitMs;
    for (const { answered, lastAt } of this.#repairs.values()) {
      if (!answered) until = Math.max(until, lastAt + waitMs);
    }
    if (this.#pending.size === 0) return until;
    return Math.max(until, lastCopyAt + waitMs + pendingPatienceMs);
  }

  #schedule(at: number, id: string, followUp: FollowUp) {
    const place = this.#queue.findLastIndex((one) => one.at <= at) + 1;
    this.#queue.splice(place, 0, { at, id, followUp });
  }

  #drop(id: string, kind: FollowUp["kind"]) {
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const { id: of, followUp } = this.#queue[i];
      if (of === id && followUp.kind === kind) this.#queue.splice(i, 1);
    }
  }

  /** Whether a host's request may be repaired; takes what that uses up. */
  #takeBudget({ host, request, answer }: Noted): boolean {
    const { expected } = this.#options;
    if (expected.isPinned(host.key)) return true;
    const at = `${request.id} ${answer.address}`;
    const atAddress = this.#repairsAtAddress.get(at) ?? 0;
    if (atAddress >= maxRepairsAtAddress) return false;
    const identity = identityOf(host);
    const isExpected = expected.candidates(host).length > 0;
    if (!isExpected && !this.#repairedHosts.has(identity)) {
      if (this.#repairedHosts.size >= maxRepairedHosts) return false;
      this.#repairedHosts.add(identity);
    }
    this.#repairsAtAddress.set(at, atAddress + 1);
    return true;
  }

  #noteStale(noted: Noted, id: string, nowMs: number, lastCopyAt: number | null) {
    const { waitMs, wasSentTo } = this.#options;
    const { host, request, answer } = noted;
    const known = this.#repairs.get(id);
    if (known !== undefined) {
      if (known.answered || known.sends >= maxRepairSends) return;
      known.sends++;
      known.lastAt = Math.max(known.lastAt, nowMs);
      return this.#schedule(nowMs, id, known.followUp);
    }
    if (lastCopyAt !== null && nowMs > lastCopyAt + waitMs) return;
    if (!wasSentTo(answer.address) || !this.#takeBudget(noted)) return;
    const { challenge } = answer.ack;
    const followUp = { kind: "repair", host, request, address: answer.address, challenge } as const;
    const lastAt = nowMs + repairIntervalMs;
    this.#repairs.set(id, { followUp, sends: 2, lastAt, answered: false });
    this.#schedule(nowMs, id, followUp);
    this.#schedule(lastAt, id, followUp);
  }

  #notePending({ host, request, answer }: Noted, id: string, nowMs: number) {
    if (this.#pending.has(id)) return;
    this.#pending.add(id);
    const isTooMany = this.#pending.size > maxPendingAsks;
    if (isTooMany || !this.#options.wasSentTo(answer.address)) return;
    const followUp: FollowUp = {
      kind: "pending",
      host,
      request,
      address: answer.address,
      challenge: this.#repairs.get(id)?.followUp.challenge ?? null,
    };
    const first = nowMs + answer.ack.micros / 1_000 + pendingGraceMs;
    for (let i = 0; i < pendingSends; i++) {
      this.#schedule(first + i * pendingIntervalMs, id, followUp);
    }
  }
}

function identityOf({ key, instance }: Host): string {
  return `${key} ${instance}`;
}
