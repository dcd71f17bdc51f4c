/** How a run ended: a verdict on each host, who is missing, the exit code. */
import type { AckFault } from "../wire/ack.ts";
import type { AddressPrefix } from "../wire/ip_address.ts";
import type { Action } from "../wire/request.ts";
import { decisiveAnswers, type Host } from "./answers.ts";
import type { TargetOutcome } from "./copies.ts";
import type { ExchangeRecord } from "./exchange.ts";
import { createRollCall, type Expectation } from "./expectation.ts";
import type { Ownership } from "./own_addresses.ts";
import { isWell, type Verdict, verdictOn } from "./verdict.ts";

/** The sender's exit codes; `--help` has them too. */
export const exitCode = {
  /** All expected hosts have confirmed and healed. */
  healed: 0,
  nothingSent: 1,
  /** Usage, key or configuration. */
  usage: 2,
  /** Sent, but hosts are missing, failed or stuck. */
  incomplete: 3,
} as const;
export type ExitCode = typeof exitCode[keyof typeof exitCode];

/** One host in a report. */
export interface HostOutcome {
  readonly host: Host;
  readonly verdict: Verdict;
  /** ms from the first copy to the ack that decided. */
  readonly ms: number;
  /** Entries removed; probe: entries in the cache. */
  readonly entries: number;
  /** Time the flush took on the host. */
  readonly micros: number;
  /** The host's clock less this machine's. */
  readonly clockOffsetMs: number;
}

/** What reports are made of. */
export interface Outcome {
  /** "password": the 2009 datagram, which nobody acknowledges. */
  readonly action: Action | "password";
  /** Null for a password. */
  readonly keyId: string | null;
  /** Null for a password. */
  readonly requestId: Uint8Array | null;
  /** Unix time in ms. */
  readonly created: number;
  readonly elapsedMs: number;
  readonly addresses: readonly AddressPrefix[];
  readonly copies: number;
  readonly targets: readonly TargetOutcome[];
  /** Interfaces and the like that couldn't be used, a line each. */
  readonly faults: readonly string[];
  readonly hosts: readonly HostOutcome[];
  readonly missingCount: number;
  /** Names of the missing, if names were expected. */
  readonly missingNames: readonly string[];
  readonly ignored: ReadonlyMap<AckFault, number>;
  readonly exitCode: ExitCode;
}

/** One host's part of an outcome, as it is now. */
export function hostOutcome(
  host: Host,
  addresses: readonly AddressPrefix[],
  ownership: Ownership,
): HostOutcome {
  const [first] = decisiveAnswers(host);
  const { ms, ack: { entries, micros }, clockOffsetMs } = first;
  const verdict = verdictOn(host, addresses, ownership);
  return { host, verdict, ms, entries, micros, clockOffsetMs };
}

/** What an outcome needs besides the record of the exchange. */
export interface OutcomeContext {
  readonly action: Action;
  readonly keyId: string;
  readonly addresses: readonly AddressPrefix[];
  readonly ownership: Ownership;
  /** Null: at least one host. */
  readonly expectation: Expectation | null;
  readonly faults: readonly string[];
}

/** The outcome of an exchange, at its end or so far. */
export function outcomeOf(record: ExchangeRecord, context: OutcomeContext): Outcome {
  const { action, keyId, addresses, ownership, expectation, faults } = context;
  const hosts = Array.from(
    record.hosts.values(),
    (host) => hostOutcome(host, addresses, ownership),
  );
  const rollCall = createRollCall(expectation ?? { kind: "count", count: 1 });
  for (const { host } of hosts) rollCall.note(host.name);
  const missingCount = rollCall.missingCount();
  const sent = sentCode(record.targets, faults);
  const allWell = missingCount === 0 && hosts.every(({ verdict }) => isWell(verdict.state));
  return {
    action,
    keyId,
    requestId: record.id,
    created: record.created,
    elapsedMs: record.elapsedMs,
    addresses,
    copies: record.copies,
    targets: record.targets,
    faults,
    hosts,
    missingCount,
    missingNames: rollCall.missingNames(),
    ignored: record.ignored,
    exitCode: sent === exitCode.healed && !allWell ? exitCode.incomplete : sent,
  };
}

/** The outcome of copies of a password: sent or not is all that can be known. */
export function passwordOutcome(
  sent: Pick<Outcome, "created" | "elapsedMs" | "copies" | "targets" | "faults">,
): Outcome {
  return {
    ...sent,
    action: "password",
    keyId: null,
    requestId: null,
    addresses: [],
    hosts: [],
    missingCount: 0,
    missingNames: [],
    ignored: new Map(),
    exitCode: sentCode(sent.targets, sent.faults),
  };
}

/**
 * The exit code as far as sending goes. What `--all` found and couldn't reach (an interface that is
 * down) is a remark; what the command line named is not.
 */
function sentCode(targets: readonly TargetOutcome[], faults: readonly string[]): ExitCode {
  if (targets.every(({ sent }) => sent === 0)) return exitCode.nothingSent;
  const lost = targets.some(({ target, sent }) => target.named && sent === 0);
  return lost || faults.length > 0 ? exitCode.incomplete : exitCode.healed;
}
