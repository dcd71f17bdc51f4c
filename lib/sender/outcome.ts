/** How a run ended: a verdict on each host, who is missing, the exit code. */
import { listed } from "../text.ts";
import type { AckFault, NeighborState } from "../wire/ack.ts";
import { type AddressPrefix, formatLinkLayerAddress, formatPrefix } from "../wire/addresses.ts";
import type { Action } from "../wire/request.ts";
import {
  type Answer,
  decisiveAnswers,
  type ExchangeRecord,
  type Host,
  type TargetOutcome,
} from "./exchange.ts";
import { createRollCall, type Expectation } from "./expectation.ts";
import type { Ownership } from "./targets.ts";

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

// What a host's acks say about it.

/**
 * How a host ended, worst first: the flush failed; its clock is off and the repeated request wasn't
 * confirmed; it still has a link-layer address that isn't this machine's; nobody answered it at an
 * address in question; it has this machine's; it flushed, and there was nothing to verify; it was
 * probed and has nothing wrong.
 */
export const hostStates = [
  "failed",
  "stale",
  "stuck",
  "no answer",
  "healed",
  "flushed",
  "alive",
] as const;
export type HostState = typeof hostStates[number];

/** What a host reported on an address, and what that means. */
export interface Finding {
  readonly address: AddressPrefix;
  readonly state: NeighborState;
  /** 6 bytes; null in the states without a neighbor. */
  readonly linkLayerAddress: Uint8Array | null;
  readonly finding: "healed" | "stuck" | "no answer" | "not judged";
}

/** The verdict on a host. */
export interface Verdict {
  readonly state: HostState;
  /** The operating system's error code on the host; 0 unless `state` is "failed". */
  readonly error: number;
  /** All reports, in the request's order, from each interface of the host. */
  readonly findings: readonly Finding[];
}

/** Whether nothing is left to do at a host. */
export function isWell(state: HostState): boolean {
  return state === "healed" || state === "flushed" || state === "alive";
}

function findingsOf(
  { ack, address: source }: Answer,
  addresses: readonly AddressPrefix[],
  ownership: Ownership,
): Finding[] {
  return ack.reports.map((report, i) => {
    const address = addresses[i];
    const { state } = report;
    const linkLayerAddress = state === "neighbor" || state === "permanent"
      ? report.linkLayerAddress
      : null;
    const common = { address, state, linkLayerAddress };
    if (state === "not looked at" || !ownership.isJudged(address, source)) {
      return { ...common, finding: "not judged" };
    }
    if (linkLayerAddress === null) {
      // A probe only looks: without an entry the host will ask when it needs one.
      return { ...common, finding: ack.status === "alive" ? "not judged" : "no answer" };
    }
    return { ...common, finding: ownership.isOwn(linkLayerAddress) ? "healed" : "stuck" };
  });
}

/** The verdict on a host about the addresses of the request. */
export function verdictOn(
  host: Host,
  addresses: readonly AddressPrefix[],
  ownership: Ownership,
): Verdict {
  const answers = decisiveAnswers(host);
  const { status, error } = answers[0].ack;
  if (status === "failed" || status === "stale") {
    return { state: status, error: status === "failed" ? error : 0, findings: [] };
  }
  const findings = answers.flatMap((answer) => findingsOf(answer, addresses, ownership));
  const has = (finding: Finding["finding"]) => findings.some((one) => one.finding === finding);
  const state = has("stuck")
    ? "stuck"
    : has("no answer")
    ? "no answer"
    : status === "alive"
    ? "alive"
    : has("healed")
    ? "healed"
    : "flushed";
  return { state, error: 0, findings };
}

/** Addresses that a line names before it counts the rest. */
const maxAddresses = 3;

/** A verdict in a few words: `STUCK 192.0.2.1 at 02:00:00:00:00:01`. */
export function verdictText({ state, error, findings }: Verdict, clockOffsetMs: number): string {
  const addresses = (finding: Finding["finding"]) =>
    findings.filter((one) => one.finding === finding);
  switch (state) {
    case "failed":
      return `FAILED, error ${error}`;
    case "stale":
      return `REFUSED as stale, its clock is ${offsetText(clockOffsetMs)}`;
    case "stuck":
      return `STUCK ${
        listed(
          addresses("stuck").map(({ address, linkLayerAddress, state }) => {
            const at = linkLayerAddress === null ? "" : formatLinkLayerAddress(linkLayerAddress);
            return `${formatPrefix(address)} at ${at}${
              state === "permanent" ? " (permanent)" : ""
            }`;
          }),
          maxAddresses,
        )
      }`;
    case "no answer":
      return `no answer ${
        listed(addresses("no answer").map((one) => formatPrefix(one.address)), maxAddresses)
      }`;
    default:
      return state;
  }
}

/** A clock offset for people: `600.0 s ahead`, `12 ms behind`. */
export function offsetText(ms: number): string {
  const amount = Math.abs(ms);
  const direction = ms < 0 ? "behind" : "ahead";
  return amount < 1000
    ? `${Math.round(amount)} ms ${direction}`
    : `${(amount / 1000).toFixed(1)} s ${direction}`;
}
