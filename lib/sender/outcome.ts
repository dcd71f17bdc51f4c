/** How a run ended: every host's result, who is missing, the exit code. */
import type { Action } from "../wire/request.ts";
import type { TargetOutcome } from "./copies.ts";
import type { ExchangeRecord } from "./exchange.ts";
import type { Host } from "./hosts.ts";
import { formatPrefix } from "../wire/addresses.ts";
import { printable } from "../wire/datagram.ts";
import type { Plan } from "./preparation.ts";
import {
  type HostResult,
  hostResult,
  hostStates,
  isGood,
  stateText,
} from "./verdict.ts";

/** The sender's exit codes; `--help` has them too. */
export const exitCode = {
  /** Every host that answered or was expected is good, and there is at least one. */
  good: 0,
  nothingSent: 1,
  /** Usage, key or configuration. */
  usage: 2,
  /** Sent, but a host isn't good or is missing, or a target wasn't reached. */
  notGood: 3,
  /** Sent, and nothing is known to be wrong, but the report is not whole. */
  hindered: 4,
} as const;
export type ExitCode = typeof exitCode[keyof typeof exitCode];

/** A run, at its end or so far. */
export interface Outcome {
  readonly plan: Plan;
  readonly record: ExchangeRecord;
  /** Those that count, the worst first. */
  readonly hosts: readonly HostResult[];
  /** The sending machine, if it answered; it is never waited for. */
  readonly own: readonly HostResult[];
  readonly missingCount: number;
  /** The missing as they were expected, if hosts were named. */
  readonly missing: readonly string[];
  /** The names that hosts were expected under, by host. */
  readonly expectedNames: ReadonlyMap<Host, string>;
  /** Hosts under a name that is pinned to another key. */
  readonly impostors: readonly Host[];
  /** What keeps the report from being whole, a line each. */
  readonly hindrances: readonly string[];
  readonly exitCode: ExitCode;
}

/** What the hosts were asked for. */
export function actionOf({ plan: { exchange: { content } } }: Outcome): Action | "password" {
  return content.kind === "password" ? "password" : content.requests[0].fields.action;
}

/**
 * The outcome of an exchange, at its end or so far; `hindrances` come on top of the plan's. Nobody
 * acknowledges a password.
 */
export function outcomeOf(
  plan: Plan,
  record: ExchangeRecord,
  hindrances: readonly string[] = [],
): Outcome {
  const all = record.hosts.all()
    .map((host) => hostResult(host, record.hosts, plan.isOwnLinkLayerAddress))
    .sort((a, b) => hostStates.indexOf(a.state) - hostStates.indexOf(b.state));
  const [own, hosts] = [true, false].map((own) => all.filter(({ host }) => host.own === own));
  const roll = callRoll(plan, hosts.map(({ host }) => host));
  const outcome = {
    plan,
    record,
    hosts,
    own,
    ...roll,
    hindrances: [...plan.hindrances, ...hindrances],
  };
  return { ...outcome, exitCode: codeOf(outcome) };
}

function callRoll(
  { exchange: { expected, content } }: Plan,
  hosts: readonly Host[],
): Pick<Outcome, "missingCount" | "missing" | "expectedNames" | "impostors"> {
  const nobody = { missing: [], expectedNames: new Map<Host, string>(), impostors: [] };
  if (content.kind === "password") return { missingCount: 0, ...nobody };
  if (expected !== null && "call" in expected) {
    const { present, missing, impostors } = expected.call(hosts);
    return {
      missingCount: missing.length,
      missing: missing.map(({ label }) => label),
      expectedNames: new Map(
        [...present].flatMap(([{ label }, own]) => own.map((host) => [host, label])),
      ),
      impostors,
    };
  }
  const missingCount = Math.max(0, (expected?.count ?? 1) - hosts.length);
  return { missingCount, ...nobody };
}

/**
 * The exit code. What `--all` found and couldn't reach (an interface that is down) is a remark; what
 * the command line named is not.
 */
function codeOf(
  { plan, record, hosts, missingCount, impostors, hindrances }: Omit<Outcome, "exitCode">,
): ExitCode {
  const isReached = ({ sent }: TargetOutcome) => sent > 0;
  if (!record.targets.some(isReached)) return exitCode.nothingSent;
  const isLost = record.targets.some((one) => one.target.named && !isReached(one));
  const isWrong = isLost || plan.faults.length > 0 || missingCount > 0 || impostors.length > 0 ||
    record.unverified > 0 || hosts.some(({ state }) => !isGood(state));
  if (isWrong) return exitCode.notGood;
  return hindrances.length > 0 ? exitCode.hindered : exitCode.good;
}

/** All verdicts on a host, the worst first. */
export const verdictNames = [...hostStates, "missing"] as const;
export type Verdict = typeof verdictNames[number];

/** What a run says of one host. */
export interface HostVerdict {
  /** Its own word or, if it is missing, the name it was expected under; fit for a terminal. */
  readonly name: string;
  /** The name it was expected under; null if nobody expected it by name. */
  readonly expectedName: string | null;
  readonly verdict: Verdict;
  /** The verdict in a few words, with the addresses that it is about. */
  readonly text: string;
  readonly isGood: boolean;
  /** The addresses in question that it has at another's link-layer address. */
  readonly stuck: readonly string[];
}

/** The verdict on each host that counts, the worst first, then on those that are missing by name. */
export function hostVerdicts({ hosts, missing, expectedNames }: Outcome): HostVerdict[] {
  return [
    ...hosts.map((result): HostVerdict => ({
      name: result.name,
      expectedName: expectedNames.get(result.host) ?? null,
      verdict: result.state,
      text: stateText(result),
      isGood: isGood(result.state),
      stuck: result.findings.filter(({ finding }) => finding === "stuck")
        .map(({ address }) => formatPrefix(address)),
    })),
    ...missing.map((name): HostVerdict => ({
      name: printable(name),
      expectedName: name,
      verdict: "missing",
      text: "missing",
      isGood: false,
      stuck: [],
    })),
  ];
}

/** How many hosts got each verdict, those that are missing without a name too. */
export function verdictCounts(outcome: Outcome): Map<Verdict, number> {
  const counts = new Map<Verdict, number>();
  for (const { state } of outcome.hosts) counts.set(state, (counts.get(state) ?? 0) + 1);
  if (outcome.missingCount > 0) counts.set("missing", outcome.missingCount);
  return counts;
}
