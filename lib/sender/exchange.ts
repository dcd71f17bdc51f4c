/**
 * One run: a request signed once and sent as copies, the acks to it, and a second request for each
 * host whose clock is off. Sockets and time are handed in.
 */
import { systemReason } from "../errors.ts";
import { sleep, type Time } from "../time.ts";
import {
  type AckFault,
  type AckStatus,
  decodeAck,
  type FlushAck,
  type SentRequest,
} from "../wire/ack.ts";
import { isLinkLocal, parseAddress } from "../wire/addresses.ts";
import { idLength, offsets, printable } from "../wire/datagram.ts";
import type { Key } from "../wire/keys.ts";
import { encodeRequest, type FlushRequest, requestMacOf } from "../wire/request.ts";
import type { DatagramPort, OpenDatagramPort } from "./datagram_port.ts";
import { comparableName, createRollCall, type Expectation } from "./expectation.ts";
import type { Target } from "./targets.ts";

/** What is to be sent, to whom, and when it is enough. */
export interface ExchangePlan {
  /** Everything but the time it was created and its id, which the exchange sets. */
  readonly request: Omit<FlushRequest, "created" | "id">;
  readonly key: Key;
  readonly targets: readonly Target[];
  /** The service's UDP port. */
  readonly udpPort: number;
  readonly schedule: Schedule;
  /** How long acks are waited for after the last copy. */
  readonly waitMs: number;
  /** When these have confirmed, nothing more is sent or waited for; null: never so. */
  readonly expectation: Expectation | null;
}

/** What has happened so far; the exchange goes on writing into it. */
export interface ExchangeRecord {
  /** Unix time in ms. */
  readonly created: number;
  readonly id: Uint8Array;
  copies: number;
  readonly targets: readonly TargetOutcome[];
  /** Keyed for comparing, in the order of their first acks. */
  readonly hosts: ReadonlyMap<string, Host>;
  /** Datagrams that were no acks to what was sent, by reason. */
  readonly ignored: ReadonlyMap<AckFault, number>;
  /** ms from the first copy to the end. */
  elapsedMs: number;
}

/** What a live report or a log wants to know when it happens. */
export type ExchangeEvent =
  | { readonly kind: "copy"; readonly copy: number }
  | { readonly kind: "ack"; readonly host: Host; readonly answer: Answer }
  | { readonly kind: "repair"; readonly host: Host; readonly answer: Answer }
  | { readonly kind: "ignored"; readonly fault: AckFault; readonly address: string };

export type Watch = (event: ExchangeEvent, record: ExchangeRecord) => void;

/** Carries out a plan. Rejects only if the request can't be encoded. `watch` must not throw. */
export async function exchange(
  plan: ExchangePlan,
  openPort: OpenDatagramPort,
  time: Time,
  watch: Watch = () => {},
): Promise<ExchangeRecord> {
  const { key, udpPort, schedule, waitMs } = plan;
  const hosts = new Map<string, Host>();
  const ignored = new Map<AckFault, number>();
  const requests = new Map<string, SentRequest>();
  const rollCall = plan.expectation === null ? null : createRollCall(plan.expectation);
  const enough = new AbortController();

  function sign(created: number): { readonly bytes: Uint8Array; readonly sent: SentRequest } {
    const id = crypto.getRandomValues(new Uint8Array(idLength));
    const bytes = encodeRequest({ ...plan.request, created, id }, key);
    const reportCount = plan.request.report ? plan.request.addresses.length : 0;
    const sent = { key, id, mac: requestMacOf(bytes), reportCount };
    requests.set(id.toHex(), sent);
    return { bytes, sent };
  }

  const created = time.wall();
  const { bytes, sent } = sign(created);
  const targets = plan.targets.map((target) => ({ target, sent: 0, error: null }));
  const record: ExchangeRecord = {
    created,
    id: sent.id,
    copies: 0,
    targets,
    hosts,
    ignored,
    elapsedMs: 0,
  };
  const tell = (event: ExchangeEvent) => watch(event, record);

  const start = time.monotonic();
  /** A host's repair ends early when its signal is aborted: the host has confirmed. */
  const repairs = new Map<Host, AbortController>();
  const repairing: Promise<void>[] = [];
  const port = openPort((datagram, address, sourcePort) => {
    const id = datagram.subarray(offsets.id, offsets.id + idLength).toHex();
    const ack = decodeAck(datagram, requests.get(id) ?? sent);
    if (typeof ack === "string") {
      ignored.set(ack, (ignored.get(ack) ?? 0) + 1);
      return tell({ kind: "ignored", fault: ack, address });
    }
    const clockOffsetMs = ack.clock - time.wall();
    const answer = { address, ms: time.monotonic() - start, ack, clockOffsetMs };
    const host = noteAnswer(hosts, answer);
    tell({ kind: "ack", host, answer });
    if (hasConfirmed(host)) {
      repairs.get(host)?.abort();
      rollCall?.note(host.name);
      if (rollCall?.isComplete()) enough.abort();
    } else if (ack.status === "stale" && !host.repaired) {
      host.repaired = true;
      tell({ kind: "repair", host, answer });
      repairing.push(repair(host, answer, sourcePort));
    }
  });

  /** The request once more, for one host, created by its clock: a request of its own, in copies. */
  async function repair(host: Host, { address, clockOffsetMs }: Answer, sourcePort: number) {
    const answered = new AbortController();
    repairs.set(host, answered);
    const { bytes } = sign(Math.max(0, time.wall() + clockOffsetMs));
    const outcome = { target: sourceTarget(address, plan.targets), sent: 0, error: null };
    const signal = AbortSignal.any([enough.signal, answered.signal]);
    await sendCopies(bytes, [outcome], sourcePort, schedule, port, time, signal);
    await sleep(time.after, waitMs, signal);
  }

  const remark = (copy: number) => {
    record.copies = copy;
    tell({ kind: "copy", copy });
  };
  record.copies = await sendCopies(
    bytes,
    targets,
    udpPort,
    schedule,
    port,
    time,
    enough.signal,
    remark,
  );
  if (targets.some((outcome) => outcome.sent > 0)) await sleep(time.after, waitMs, enough.signal);
  for (let i = 0; i < repairing.length; i++) await repairing[i];
  port.close();
  record.elapsedMs = time.monotonic() - start;
  return record;
}

/** The target that an ack's source is: a link-local source has lost its zone on the way. */
function sourceTarget(source: string, targets: readonly Target[]): Target {
  const address = parseAddress(source);
  const zone = address !== null && isLinkLocal(address) && !source.includes("%")
    ? targets.find((target) => target.hostname.includes("%"))?.interfaceNames[0]
    : undefined;
  const hostname = zone === undefined ? source : `${source}%${zone}`;
  return { hostname, address, interfaceNames: zone === undefined ? [] : [zone], named: false };
}

// The same bytes to every target, again and again: a lost datagram costs an interval, not a host.

/** What became of the copies to one target. */
export interface TargetOutcome {
  readonly target: Target;
  /** Copies that the system took. */
  sent: number;
  /** Why the latest copy that failed did; null if none did. */
  error: string | null;
}

/** How often, and how far apart from start to start. */
export interface Schedule {
  readonly count: number;
  readonly intervalMs: number;
}

/** How long the last copies may hang in the resolver before the run goes on without them. */
const resolverMs = 5000;

/**
 * Sends copies of the bytes to each target, the first at once, until all are sent or the signal is
 * aborted, and returns how many there were. An error on one target is kept in its outcome and
 * hinders neither other targets nor later copies; a target whose name takes long to look up doesn't
 * hold the others up: until it is found its outcome has neither copies nor an error. `onCopy` is
 * called when the first datagram of a copy is with the system: what it starts takes no time from
 * it. It isn't called once the signal is aborted.
 */
export async function sendCopies(
  bytes: Uint8Array,
  outcomes: readonly TargetOutcome[],
  udpPort: number,
  schedule: Schedule,
  port: DatagramPort,
  time: Time,
  signal: AbortSignal,
  onCopy: (copy: number) => void = () => {},
): Promise<number> {
  const start = time.monotonic();
  const pending: Promise<void>[] = [];
  let copies = 0;
  while (copies < schedule.count) {
    if (copies > 0) {
      await sleep(time.after, start + copies * schedule.intervalMs - time.monotonic(), signal);
    }
    if (signal.aborted) break;
    const sends = outcomes.map((outcome) => sendOne(bytes, outcome, udpPort, port));
    pending.push(...sends);
    const copy = ++copies;
    Promise.race(sends).then(() => {
      if (!signal.aborted) onCopy(copy);
    });
    // A process's first timer keeps it busy for 10 ms, and what the socket was given waits as long.
    if (copy === 1) await Promise.all(sends.filter((_, i) => outcomes[i].target.address !== null));
  }
  await withPatience(Promise.all(pending), time, resolverMs, signal);
  for (const outcome of outcomes) {
    if (outcome.sent === 0) outcome.error ??= "the resolver has not answered";
  }
  return copies;
}

/** Waits for work to end, for so many ms at most, and no longer than until the signal is aborted. */
async function withPatience(
  work: Promise<unknown>,
  time: Time,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  await Promise.race([
    work.then(() => ended.abort()),
    sleep(time.after, ms, AbortSignal.any([signal, ended.signal])),
  ]);
}

async function sendOne(
  bytes: Uint8Array,
  outcome: TargetOutcome,
  udpPort: number,
  port: DatagramPort,
): Promise<void> {
  const { hostname, address } = outcome.target;
  try {
    await port.send(bytes, { hostname, family: address?.family ?? null, port: udpPort });
    outcome.sent++;
  } catch (error) {
    outcome.error = systemReason(error);
  }
}

// The hosts' acks of one run, by host: a host that answers on several interfaces is one host.

/** The ack that counts from one source address of a host. */
export interface Answer {
  /** The source address, with its zone if it needs one. */
  readonly address: string;
  /** ms from the first copy to this ack. */
  readonly ms: number;
  readonly ack: FlushAck;
  /** The host's clock less this machine's, in ms, the way of the ack included. */
  readonly clockOffsetMs: number;
}

/** What is known of one host. */
export interface Host {
  /** Its own word, fit for a terminal; its address if it says nothing. */
  readonly name: string;
  /** By source address, in the order of their first acks; at least one. */
  readonly answers: Map<string, Answer>;
  /** Acks received from it, repeated ones included. */
  acks: number;
  /** A request with its own clock was sent to it. */
  repaired: boolean;
}

/** A later ack replaces one of a lower rank: a copy may heal where an earlier one failed. */
const rank: Record<AckStatus, number> = { stale: 0, failed: 1, alive: 2, flushed: 2 };

/** The answers that tell how a host ended: those of the highest rank it got to. */
export function decisiveAnswers({ answers }: Host): Answer[] {
  const all = [...answers.values()];
  const highest = Math.max(...all.map(({ ack }) => rank[ack.status]));
  return all.filter(({ ack }) => rank[ack.status] === highest);
}

/** Whether a host did what was asked. */
export function hasConfirmed(host: Host): boolean {
  return [...host.answers.values()].some(({ ack }) => rank[ack.status] === rank.flushed);
}

/** Notes an ack in `hosts` (keyed for comparing) and returns its host. */
export function noteAnswer(hosts: Map<string, Host>, answer: Answer): Host {
  const name = printable(answer.ack.host) || answer.address;
  const key = comparableName(name);
  const host: Host = hosts.get(key) ?? { name, answers: new Map(), acks: 0, repaired: false };
  hosts.set(key, host);
  host.acks++;
  const known = host.answers.get(answer.address);
  const replaces = known === undefined || rank[answer.ack.status] > rank[known.ack.status] ||
    answer.ack.status === "failed" && known.ack.status === "failed";
  if (replaces) host.answers.set(answer.address, answer);
  return host;
}

// How far apart hosts are to send their acks, so that none is lost because all come at once.

/**
 * A socket holds 256 acks by default on Linux: what comes in 128 ms at this rate. So long may a busy
 * machine keep the sender waiting without a loss; docs/performance.md has the measured curve.
 */
const acksPerSecond = 2_000;
/** Within the second until the next copy, whose acks make up for lost ones, also flushes take time. */
const autoMostMs = 800;

/** The ack spread in ms for a wish of the command line. */
export function ackSpreadOf(wish: "auto" | number, expectation: Expectation | null): number {
  if (wish !== "auto") return wish;
  const hosts = expectation === null
    ? 0
    : expectation.kind === "count"
    ? expectation.count
    : expectation.names.length;
  return Math.min(autoMostMs, Math.floor(hosts * 1_000 / acksPerSecond));
}
