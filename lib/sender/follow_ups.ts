/**
 * What goes to single hosts besides the copies: the repair of a stale request, and the same request
 * again to a host whose flush was pending. No sockets and no timers: the exchange asks what is due.
 * Budgets keep a host that lies from making this router send, or wait, without an end.
 */
import { type AskedRequest, type Host, isDecided, type Noted } from "./hosts.ts";

/** A repair goes out twice, this far apart. */
const repairIntervalMs = 300;
/** Sends of one repair, those that further stale acks cause included. */
const maxRepairSends = 6;
/** Hosts that are repaired in one run, besides pinned and expected ones. */
const maxRepairedHosts = 64;
/** Repairs of one request at one source address, unless the key is pinned. */
const maxRepairsAtAddress = 3;
/** A pending request goes out again so long after the time that the host named, and then twice. */
const pendingGraceMs = 1_000;
const pendingIntervalMs = 1_500;
const pendingSends = 3;
/** Pending answers that are asked about again; further hosts are waited for without. */
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

/** What follow-ups depend on. */
export interface FollowUpOptions {
  /** How long acks are waited for after the last copy, and after a repair. */
  readonly waitMs: number;
  isPinned(key: string): boolean;
  isExpected(host: Host): boolean;
  /** Whether the run was sent to an address: nothing ever goes anywhere else. */
  wasSentTo(address: string): boolean;
}

/** The follow-ups of one run. All times are of one monotonic clock in ms. */
export interface FollowUps {
  /** Takes in an ack that counts. `lastCopyAt` is null while copies are still to be sent. */
  note(noted: Noted, isRepair: boolean, nowMs: number, lastCopyAt: number | null): void;
  /** What is due, which then counts as sent. */
  takeDue(nowMs: number): FollowUp[];
  /** When the next one is due; Infinity if none is. */
  nextAt(): number;
  /** Until when somebody is waited for, given when the last copy went out. */
  waitsUntil(lastCopyAt: number): number;
}

/** Follow-ups of a run of which nobody has answered. */
export function createFollowUps(options: FollowUpOptions): FollowUps {
  const { waitMs, isPinned, isExpected, wasSentTo } = options;
  /** By key, instance and request. */
  const repairs = new Map<string, Repair>();
  /** Hosts without a good answer whose flush is to come, by key, instance and request. */
  const pending = new Set<string>();
  const repairsAtAddress = new Map<string, number>();
  const repairedHosts = new Set<string>();
  const queue: { readonly at: number; readonly id: string; readonly followUp: FollowUp }[] = [];

  const identityOf = ({ key, instance }: Host) => `${key} ${instance}`;

  function schedule(at: number, id: string, followUp: FollowUp) {
    const place = queue.findLastIndex((one) => one.at <= at) + 1;
    queue.splice(place, 0, { at, id, followUp });
  }

  function drop(id: string, kind: FollowUp["kind"]) {
    for (let i = queue.length - 1; i >= 0; i--) {
      if (queue[i].id === id && queue[i].followUp.kind === kind) queue.splice(i, 1);
    }
  }

  /** Whether a host's request may be repaired; takes what that uses up. */
  function takeBudget({ host, request, answer }: Noted): boolean {
    const identity = identityOf(host);
    if (isPinned(host.key)) return true;
    const at = `${request.id} ${answer.address}`;
    const atAddress = repairsAtAddress.get(at) ?? 0;
    if (atAddress >= maxRepairsAtAddress) return false;
    if (!isExpected(host) && !repairedHosts.has(identity)) {
      if (repairedHosts.size >= maxRepairedHosts) return false;
      repairedHosts.add(identity);
    }
    repairsAtAddress.set(at, atAddress + 1);
    return true;
  }

  function noteStale(noted: Noted, id: string, nowMs: number, lastCopyAt: number | null) {
    const { host, request, answer } = noted;
    const known = repairs.get(id);
    if (known !== undefined) {
      if (known.answered || known.sends >= maxRepairSends) return;
      known.sends++;
      known.lastAt = Math.max(known.lastAt, nowMs);
      return schedule(nowMs, id, known.followUp);
    }
    if (lastCopyAt !== null && nowMs > lastCopyAt + waitMs) return;
    if (!wasSentTo(answer.address) || !takeBudget(noted)) return;
    const { challenge } = answer.ack;
    const followUp = { kind: "repair", host, request, address: answer.address, challenge } as const;
    repairs.set(id, { followUp, sends: 2, lastAt: nowMs + repairIntervalMs, answered: false });
    schedule(nowMs, id, followUp);
    schedule(nowMs + repairIntervalMs, id, followUp);
  }

  function notePending({ host, request, answer }: Noted, id: string, nowMs: number) {
    if (pending.has(id)) return;
    pending.add(id);
    if (!wasSentTo(answer.address) || pending.size > maxPendingAsks) return;
    const followUp: FollowUp = {
      kind: "pending",
      host,
      request,
      address: answer.address,
      challenge: repairs.get(id)?.followUp.challenge ?? null,
    };
    const first = nowMs + answer.ack.micros / 1_000 + pendingGraceMs;
    for (let i = 0; i < pendingSends; i++) schedule(first + i * pendingIntervalMs, id, followUp);
  }

  return {
    note(noted, isRepair, nowMs, lastCopyAt) {
      const { host, request, answer: { ack } } = noted;
      const id = `${identityOf(host)} ${request.id}`;
      const repair = repairs.get(id);
      if (isRepair && repair !== undefined) {
        repair.answered = true;
        drop(id, "repair");
      }
      if (isDecided(ack, request)) {
        pending.delete(id);
        drop(id, "pending");
      } else if (ack.status === "stale" && !isRepair) noteStale(noted, id, nowMs, lastCopyAt);
      else if (ack.status === "pending") notePending(noted, id, nowMs);
    },
    takeDue(nowMs) {
      const count = queue.findIndex(({ at }) => at > nowMs);
      return queue.splice(0, count < 0 ? queue.length : count).map(({ followUp }) => followUp);
    },
    nextAt: () => queue[0]?.at ?? Infinity,
    waitsUntil(lastCopyAt) {
      let until = lastCopyAt + waitMs;
      for (const { answered, lastAt } of repairs.values()) {
        if (!answered) until = Math.max(until, lastAt + waitMs);
      }
      return pending.size > 0 ? Math.max(until, lastCopyAt + waitMs + pendingPatienceMs) : until;
    },
  };
}
