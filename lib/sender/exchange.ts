/**
 * One run: a request signed once and sent as copies, the acks to it, and a second request for each
 * host whose clock is off. Sockets and time are handed in.
 */
import { type AckFault, decodeAck, type SentRequest } from "../wire/ack.ts";
import { idLength, offsets } from "../wire/datagram.ts";
import { parseAddress } from "../wire/ip_address.ts";
import type { Key } from "../wire/keyring.ts";
import { encodeRequest, type FlushRequest, requestMacOf } from "../wire/request.ts";
import { type Answer, hasConfirmed, type Host, noteAnswer } from "./answers.ts";
import { type Schedule, sendCopies, type TargetOutcome } from "./copies.ts";
import type { OpenDatagramPort } from "./datagram_port.ts";
import { createRollCall, type Expectation } from "./expectation.ts";
import { isLinkLocal, type Target } from "./targets.ts";
import type { Time } from "./time.ts";

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

  const created = time.now();
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
    const clockOffsetMs = ack.clock - time.now();
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
    const { bytes } = sign(Math.max(0, time.now() + clockOffsetMs));
    const outcome = { target: sourceTarget(address, plan.targets), sent: 0, error: null };
    const signal = AbortSignal.any([enough.signal, answered.signal]);
    await sendCopies(bytes, [outcome], sourcePort, schedule, port, time, signal);
    await time.sleep(waitMs, signal);
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
  if (targets.some((outcome) => outcome.sent > 0)) await time.sleep(waitMs, enough.signal);
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
