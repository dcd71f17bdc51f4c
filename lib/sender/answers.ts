/** The hosts' acks of one run, by host: a host that answers on several interfaces is one host. */
import type { AckStatus, FlushAck } from "../wire/ack.ts";
import { printable } from "../wire/text_field.ts";
import { comparableName } from "./expectation.ts";

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
