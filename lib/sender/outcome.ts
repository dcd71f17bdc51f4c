/** How a run ended: every host's result, who is missing, the exit code. */
import { type AskedHost, askedHosts, type AskResult, weightOf } from "../ask/verdicts.ts";
import { countText, listText } from "../text.ts";
import { withoutZone } from "../wire/addresses.ts";
import type { Action } from "../wire/request.ts";
import type { TargetOutcome } from "./datagram_port.ts";
import type { ExchangeRecord } from "./exchange.ts";
import type { ExpectedHost } from "./expectation.ts";
import type { Host } from "./hosts.ts";
import type { Plan } from "./preparation.ts";
import { type HostResult, hostResult, hostStates, isGood } from "./verdict.ts";

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
  /** What asking by ARP came to, at addresses from where no service answered. */
  readonly asked: readonly AskResult[];
  /** Nobody is missing from a run that was ended early: who had no time to answer isn't at fault. */
  readonly missingCount: number;
  /** Those of them that were expected by name. */
  readonly missing: readonly ExpectedHost[];
  /** Who was expected by name and not heard when the run was ended early. */
  readonly unheard: readonly ExpectedHost[];
  /** The names that hosts were expected under, by host. */
  readonly expectedNames: ReadonlyMap<Host, string>;
  /** Hosts under a name that is pinned to another key. */
  readonly impostors: readonly Host[];
  /** What keeps the report from being whole, a line each. */
  readonly hindrances: readonly string[];
  readonly exitCode: ExitCode;
}

/** What the datagrams were for; "none" if there were none, and hosts were asked by ARP alone. */
export function actionOf(
  { plan: { exchange: { content } } }: Pick<Outcome, "plan">,
): Action | "password" | "none" {
  return content.kind === "signed" ? content.requests[0].fields.action : content.kind;
}

/** Whether nothing was to be changed: a drill. */
export function isProbe(outcome: Pick<Outcome, "plan">): boolean {
  const { content } = outcome.plan.exchange;
  return content.kind === "none" ? content.isProbe : actionOf(outcome) === "probe";
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
    .map((host) => hostResult(host, record.hosts, plan.isOwnLinkLayerAddress, record.left))
    // Whatever is wrong about an address that has left is the next router's affair.
    .filter(({ state }) => isGood(state) || state === "failed" || !record.hasLostAddresses)
    .sort((a, b) => hostStates.indexOf(a.state) - hostStates.indexOf(b.state));
  const [own, hosts] = [true, false].map((own) => all.filter(({ host }) => host.own === own));
  // A service's word counts where there is one; its address may have a zone.
  const told = new Set(all.flatMap(({ host }) => [...host.addresses].map(withoutZone)));
  const asked = record.asked.results.filter((one) =>
    !told.has(one.host) && !(record.hasLostAddresses && weightOf(one) === "fault")
  );
  const roll = callRoll(plan, hosts.map(({ host }) => host), askedHosts(asked));
  const missing = new Set(roll.missing.flatMap(({ label, addresses }) => [label, ...addresses]));
  const outcome = {
    plan,
    record,
    hosts,
    own,
    // Nothing is known of who was not asked: as one of the missing it is counted once.
    asked: asked.filter(({ verdict, host, name }) =>
      verdict !== "not asked" || !missing.has(host) && !missing.has(name ?? host)
    ),
    ...roll,
    ...record.endedEarly === null
      ? { unheard: [] }
      : { unheard: roll.missing, missingCount: 0, missing: [] },
    hindrances: [
      ...plan.hindrances,
      ...record.endedEarly === null ? [] : [`ended early: ${record.endedEarly}`],
      ...record.endedEarly === null || record.hasLostAddresses ? [] : unheardTexts(plan, roll),
      ...record.left.length === 0 ? [] : [`no longer on this router: ${listText(record.left, 3)}`],
      ...hindrances,
    ],
  };
  return { ...outcome, exitCode: codeOf(outcome) };
}

/** Whom a run was to hear that was ended early. */
function unheardTexts(
  { exchange: { expected } }: Plan,
  { missing, missingCount }: Pick<Outcome, "missing" | "missingCount">,
): string[] {
  if (expected.count === null || missingCount === 0) return [];
  const names = missing.map(({ label }) => label);
  const unheard = names.length > 0 ? listText(names, 3) : countText(missingCount, "host", "hosts");
  return [`not heard until then: ${unheard}`];
}

/** Whether it counts as a host: at another address that was not asked there may be none. */
export function isListed({ verdict, expected }: AskedHost): boolean {
  return expected || verdict !== "not asked";
}

/**
 * Who is missing. An expected host that was asked is judged by that, whatever came of it, unless it
 * is pinned: its key has to answer then, if anybody is there.
 */
function callRoll(
  { exchange: { expected, content } }: Plan,
  hosts: readonly Host[],
  asked: readonly AskedHost[],
): Pick<Outcome, "missingCount" | "missing" | "expectedNames" | "impostors"> {
  const { present, missing: silent, impostors } = expected.call(hosts);
  const judged = namesOf(asked);
  const absent = namesOf(asked.filter(({ verdict }) => verdict === "no answer"));
  const missing = silent.filter(({ label, addresses, pins }) => {
    const told = pins.length > 0 ? absent : judged;
    return ![label, ...addresses].some((one) => told.has(one));
  });
  const wanted = content.kind === "password" ? 0 : expected.count ?? 1;
  const heard = hosts.length + asked.filter(isListed).length;
  return {
    missingCount: expected.hosts.length > 0 ? missing.length : Math.max(0, wanted - heard),
    missing,
    expectedNames: new Map(
      [...present].flatMap(([{ label }, own]) => own.map((host) => [host, label])),
    ),
    impostors,
  };
}

/** The names and addresses of hosts that were asked. */
function namesOf(asked: readonly AskedHost[]): ReadonlySet<string> {
  return new Set(asked.flatMap(({ host, name }) => name === null ? [host] : [host, name]));
}

/**
 * The exit code. What `--all` found and couldn't reach (an interface that is down) is a remark; what
 * the command line named is not.
 */
function codeOf(
  { plan, record, hosts, asked, missingCount, impostors, hindrances }: Omit<Outcome, "exitCode">,
): ExitCode {
  const isReached = ({ sent }: TargetOutcome) => sent > 0;
  const isAnySent = record.targets.some(isReached) ||
    actionOf({ plan }) === "none" && asked.some(({ verdict }) => verdict !== "not asked");
  if (!isAnySent) return exitCode.nothingSent;
  const isLost = record.targets.some((one) => one.target.named && !isReached(one));
  const isUnverified = record.unverified > 0 && record.endedEarly === null;
  const isWrong = isLost || plan.faults.length > 0 || missingCount > 0 || impostors.length > 0 ||
    isUnverified || hosts.some(({ state }) => !isGood(state)) ||
    asked.some((one) => weightOf(one) === "fault");
  if (isWrong) return exitCode.notGood;
  const isWhole = hindrances.length === 0 && asked.every((one) => weightOf(one) === "none");
  return isWhole ? exitCode.good : exitCode.hindered;
}
