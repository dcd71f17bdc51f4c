/**
 * Carries out a plan: its datagrams are sent as copies, the acks to them collected, and a host whose
 * clock is off is sent a request of its own. Sockets, clocks and timers are handed in.
 */
import { systemReason } from "../errors.ts";
import { sleep, type Time } from "../time.ts";
import { type AckFault, decodeAck, type SentRequest } from "../wire/ack.ts";
import { isLinkLocal, parseAddress } from "../wire/addresses.ts";
import { idLength, offsets } from "../wire/datagram.ts";
import type { Key } from "../wire/keys.ts";
import { encodeLegacyRequest } from "../wire/legacy.ts";
import { encodeRequest, requestMacOf } from "../wire/request.ts";
import type { DatagramPort, OpenDatagramPort } from "./datagram_port.ts";
import { RollCall } from "./expectation.ts";
import {
  addAck,
  type AnsweringHost,
  type AnsweringHosts,
  clockOffset,
  judgeHost,
  type ReceivedAck,
} from "./hosts.ts";
import type { Plan, PlannedRequest } from "./preparation.ts";
import type { Target } from "./targets.ts";

/** What has happened so far; the exchange goes on writing into it. */
export interface ExchangeRecord {
  /** Unix time in ms. */
  readonly created: number;
  /** Ids of the plan's requests, in its order; none for a password. */
  readonly requestIds: readonly Uint8Array[];
  copies: number;
  readonly targets: readonly TargetRecord[];
  readonly hosts: AnsweringHosts;
  /** Datagrams that were no acks to what was sent, by reason. */
  readonly ignored: Map<AckFault, number>;
  /** ms from the first copy to the end. */
  elapsedMs: number;
}

/** What became of the copies to one target. */
export interface TargetRecord {
  readonly target: Target;
  /** Copies that the system took. */
  sent: number;
  /** Why the latest copy that failed did; null if none did. */
  error: string | null;
}

/** What a live report or a log wants to know when it happens. */
export type ExchangeEvent =
  | { readonly kind: "copy"; readonly copy: number }
  | { readonly kind: "ack"; readonly host: AnsweringHost; readonly received: ReceivedAck }
  | { readonly kind: "repair"; readonly host: AnsweringHost }
  | { readonly kind: "ignored"; readonly fault: AckFault; readonly address: string };

/** The bytes of a datagram that is sent in copies. */
interface Outgoing {
  readonly bytes: Uint8Array;
  /** Monotonic time in ms when the latest copy was given to the system. */
  latestCopyAt: number;
}

/** A request with what its acks are read by. */
interface SignedRequest extends Outgoing {
  readonly request: PlannedRequest;
  readonly sent: SentRequest;
}

function sign(request: PlannedRequest, key: Key, created: number): SignedRequest {
  const id = crypto.getRandomValues(new Uint8Array(idLength));
  const bytes = encodeRequest({ ...request, created, id }, key);
  const reportCount = request.report ? request.addresses.length : 0;
  return {
    request,
    bytes,
    latestCopyAt: 0,
    sent: { key, id, mac: requestMacOf(bytes), reportCount },
  };
}

/**
 * Carries out a plan and resolves with what happened. Rejects only if a request can't be encoded.
 * `watch` must not throw.
 */
export async function exchange(
  plan: Omit<Plan, "opening" | "warnings" | "faults">,
  openPort: OpenDatagramPort,
  time: Time,
  watch: (event: ExchangeEvent, record: ExchangeRecord) => void = () => {},
): Promise<ExchangeRecord> {
  const { content, expectation, ownership, schedule, udpPort, waitMs } = plan;
  const created = time.wall();
  const requests = content.kind === "password"
    ? []
    : content.requests.map((request) => sign(request, content.key, created));
  const record = emptyRecord(created, requests, plan.targets);
  const start = time.monotonic();
  const rollCall = expectation === null ? null : new RollCall(expectation);
  /** Aborted when all expected hosts have confirmed. */
  const enough = new AbortController();
  /** Aborted, host by host, when a host whose clock is off has confirmed. */
  const repaired = new Map<AnsweringHost, AbortController>();
  const repairs: Promise<void>[] = [];

  function receive(datagram: Uint8Array, address: string, sourcePort: number): void {
    if (requests.length === 0) return;
    const answered = findRequest(datagram, requests);
    const ack = decodeAck(datagram, answered.sent);
    if (typeof ack === "string") {
      record.ignored.set(ack, (record.ignored.get(ack) ?? 0) + 1);
      return watch({ kind: "ignored", fault: ack, address }, record);
    }
    const now = time.monotonic();
    const clock = clockOffset(ack.clock, time.wall(), now - answered.latestCopyAt);
    const { addresses } = answered.request;
    const received = { address, ms: now - start, ack, addresses, clock };
    const host = addAck(record.hosts, received);
    watch({ kind: "ack", host, received }, record);
    if (judgeHost(host, ownership).confirmed) {
      repaired.get(host)?.abort();
      rollCall?.note(host.name);
      if (rollCall?.isComplete()) enough.abort();
    } else if (ack.status === "stale" && !host.repaired) {
      host.repaired = true;
      watch({ kind: "repair", host }, record);
      repairs.push(repair(host, answered, received, sourcePort));
    }
  }

  /** Sends a host the request again, dated by its own clock, in copies until it has confirmed. */
  async function repair(
    host: AnsweringHost,
    { request: planned, sent: { key } }: SignedRequest,
    { address, clock }: ReceivedAck,
    udpPort: number,
  ): Promise<void> {
    const request = sign(planned, key, Math.max(0, Math.round(time.wall() + clock.ms)));
    requests.push(request);
    const confirmed = new AbortController();
    repaired.set(host, confirmed);
    const targets = [{ target: sourceTarget(address, plan.targets), sent: 0, error: null }];
    const signal = AbortSignal.any([enough.signal, confirmed.signal]);
    await sendCopies(
      { datagrams: [request], targets, udpPort, schedule },
      socket,
      time,
      signal,
    );
    await sleep(time.after, waitMs, signal);
  }

  const socket = openPort(receive);
  const datagrams = content.kind === "password"
    ? [{ bytes: encodeLegacyRequest(content.password), latestCopyAt: 0 }]
    : [...requests];
  const copies = { datagrams, targets: record.targets, udpPort, schedule };
  record.copies = await sendCopies(copies, socket, time, enough.signal, (copy) => {
    record.copies = copy;
    watch({ kind: "copy", copy }, record);
  });
  const isAnySent = record.targets.some(({ sent }) => sent > 0);
  if (isAnySent && requests.length > 0) await sleep(time.after, waitMs, enough.signal);
  for (let i = 0; i < repairs.length; i++) await repairs[i];
  socket.close();
  record.elapsedMs = time.monotonic() - start;
  return record;
}

function emptyRecord(
  created: number,
  requests: readonly SignedRequest[],
  targets: readonly Target[],
): ExchangeRecord {
  return {
    created,
    requestIds: requests.map(({ sent }) => sent.id),
    copies: 0,
    targets: targets.map((target) => ({ target, sent: 0, error: null })),
    hosts: new Map(),
    ignored: new Map(),
    elapsedMs: 0,
  };
}

/** The request with the id in a datagram; the first one if it has none of them. */
function findRequest(datagram: Uint8Array, requests: readonly SignedRequest[]): SignedRequest {
  const id = datagram.subarray(offsets.id, offsets.id + idLength);
  const isSame = ({ sent }: SignedRequest) => sent.id.every((byte, i) => byte === id[i]);
  return requests.find(isSame) ?? requests[0];
}

/** The source of an ack as a target: a link-local address has lost its zone on the way. */
function sourceTarget(source: string, targets: readonly Target[]): Target {
  const address = parseAddress(source);
  const zone = address !== null && isLinkLocal(address)
    ? targets.find((target) => target.hostname.includes("%"))?.interfaceNames[0]
    : undefined;
  const hostname = zone === undefined ? source : `${source}%${zone}`;
  return { hostname, address, interfaceNames: [], named: false };
}

/** Copies of some datagrams: a lost datagram costs an interval, not a host. */
interface Copies {
  readonly datagrams: readonly Outgoing[];
  readonly targets: readonly TargetRecord[];
  readonly udpPort: number;
  readonly schedule: Plan["schedule"];
}

/** How long the last copies may hang in the resolver before the run goes on without them. */
const maxResolverMs = 5000;

/**
 * Sends copies to each target, the first at once, until all are sent or the signal is aborted, and
 * resolves with how many there were. An error on one target is kept in its record and hinders
 * neither other targets nor later copies; a target whose name takes long to look up doesn't hold the
 * others up. `onCopy` is called when the first datagram of a copy is with the system, so that what it
 * starts takes no time from it, and not once the signal is aborted.
 */
async function sendCopies(
  { datagrams, targets, udpPort, schedule }: Copies,
  port: DatagramPort,
  time: Time,
  signal: AbortSignal,
  onCopy: (copy: number) => void = () => {},
): Promise<number> {
  const start = time.monotonic();
  const pending: Promise<void>[] = [];
  let copies = 0;
  while (copies < schedule.count) {
    await sleep(time.after, start + copies * schedule.intervalMs - time.monotonic(), signal);
    if (signal.aborted) break;
    for (const datagram of datagrams) datagram.latestCopyAt = time.monotonic();
    const sends = targets.map((record) => sendTo(record, datagrams, udpPort, port));
    pending.push(...sends);
    const copy = ++copies;
    Promise.race(sends).then(() => {
      if (!signal.aborted) onCopy(copy);
    });
    // A process's first timer keeps it busy for 10 ms, and what the socket was given waits as long.
    await Promise.all(sends.filter((_, i) => targets[i].target.address !== null));
  }
  const settled = new AbortController();
  Promise.all(pending).then(() => settled.abort());
  await sleep(time.after, maxResolverMs, AbortSignal.any([signal, settled.signal]));
  for (const record of targets) {
    if (record.sent === 0) record.error ??= "the resolver has not answered";
  }
  return copies;
}

async function sendTo(
  record: TargetRecord,
  datagrams: readonly Outgoing[],
  udpPort: number,
  port: DatagramPort,
): Promise<void> {
  try {
    for (const { bytes } of datagrams) await port.send(bytes, record.target, udpPort);
    record.sent++;
  } catch (error) {
    record.error = systemReason(error);
  }
}
