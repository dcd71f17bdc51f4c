/** How a run ended: every host's result, who is missing, the exit code. */
import {
  type AskedHost,
  askedHosts,
  askedText,
  type AskResult,
  type AskVerdict,
  askVerdicts,
  weightOf,
} from "../ask/verdicts.ts";
import { countText, listText } from "../text.ts";
import { type AddressPrefix, formatPrefix } from "../wire/addresses.ts";
import type { Action } from "../wire/request.ts";
import type { TargetOutcome } from "./datagram_port.ts";
import type { ExchangeRecord } from "./exchange.ts";
import type { ExpectedHost } from "./expectation.ts";
import type { ClockOffset, Host } from "./hosts.ts";
import { printable } from "../wire/datagram.ts";
import type { Plan } from "./preparation.ts";
import {
  type HostResult,
  hostResult,
  type HostState,
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
  /** What asking by ARP came to, at addresses from where no service answered. */
  readonly asked: readonly AskResult[];
  /** Nobody is missing from a run that was ended early: who had no time to answer isn't at fault. */
  readonly missingCount: number;
  /** Those of them that were expected by name. */
  readonly missing: readonly ExpectedHost[];
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
  const nobodyMissing = { missingCount: 0, missing: [] };
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
    ...record.endedEarly === null ? {} : nobodyMissing,
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

function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
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
function isListed({ verdict, expected }: AskedHost): boolean {
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
  const isWrong = isLost || plan.faults.length > 0 || missingCount > 0 || impostors.length > 0 ||
    record.unverified > 0 || hosts.some(({ state }) => !isGood(state)) ||
    asked.some((one) => weightOf(one) === "fault");
  if (isWrong) return exitCode.notGood;
  const isWhole = hindrances.length === 0 && asked.every((one) => weightOf(one) === "none");
  return isWhole ? exitCode.good : exitCode.hindered;
}

/** A service's word on its host, what asking by ARP came to, or neither. */
export type Verdict = HostState | AskVerdict | "missing";

/** All verdicts. */
export const verdictNames: readonly Verdict[] = [
  ...new Set<Verdict>([...hostStates, ...askVerdicts, "missing"]),
];

/** What a run says of one host. */
export interface HostVerdict {
  /** What tells it from other hosts, in other runs of this process too. */
  readonly id: string;
  /** The name that it gives or, if it is missing, that it was expected under; fit for a terminal. */
  readonly name: string;
  /** Those it answered from, was asked at, or is expected at. */
  readonly addresses: readonly string[];
  /** The name it was expected under; null if nobody expected it by name. */
  readonly expectedName: string | null;
  readonly verdict: Verdict;
  /** The verdict in a few words, with the addresses that it is about. */
  readonly text: string;
  readonly isGood: boolean;
  /** The addresses in question that it has at another's link-layer address. */
  readonly stuck: readonly string[];
  /** ms until that was known; null if nothing came. */
  readonly ms: number | null;
  /** Entries removed, or in the cache if it was probed; null if it didn't tell. */
  readonly entries: number | null;
  /** How far its clock is from this machine's; null if it didn't tell. */
  readonly clock: ClockOffset | null;
}

/** The verdict on a host by what its service said. */
export function verdictOf(result: HostResult, expectedName: string | null): HostVerdict {
  const { host, name, state, findings, ms, entries } = result;
  return {
    id: `${host.key} ${host.instance}`,
    name,
    addresses: [...host.addresses],
    expectedName,
    verdict: state,
    text: stateText(result),
    isGood: isGood(state),
    stuck: stuckAddresses(findings.filter(({ finding }) => finding === "stuck")),
    ms,
    entries: state === "failed" || state === "stale" || state === "pending" ? null : entries,
    clock: host.clock,
  };
}

function stuckAddresses(stuck: readonly { readonly address: AddressPrefix }[]): string[] {
  return stuck.map(({ address }) => formatPrefix(address));
}

/** Nobody told. */
const untold = { entries: null, clock: null };

/**
 * The verdict on each host that counts: those that answered, the worst first, those that were asked by
 * ARP, the worst first, then those that are missing by name.
 */
export function hostVerdicts({ hosts, asked, missing, expectedNames }: Outcome): HostVerdict[] {
  return [
    ...hosts.map((result) => verdictOf(result, expectedNames.get(result.host) ?? null)),
    ...askedHosts(asked).filter(isListed).map((one): HostVerdict => ({
      ...untold,
      id: one.name ?? one.host,
      name: printable(one.name ?? one.host),
      addresses: [one.host],
      expectedName: one.name,
      verdict: one.verdict,
      text: askedText(one),
      isGood: weightOf(one) === "none",
      stuck: stuckAddresses(one.results.filter(({ verdict }) => verdict === "stuck")),
      ms: one.ms,
    })),
    ...missing.map(({ label, addresses }): HostVerdict => ({
      ...untold,
      id: label,
      name: printable(label),
      addresses,
      expectedName: label,
      verdict: "missing",
      text: "missing",
      isGood: false,
      stuck: [],
      ms: null,
    })),
  ];
}

/** How many hosts got each verdict, those that are missing without a name too. */
export function verdictCounts(outcome: Outcome): Map<Verdict, number> {
  const counts = new Map<Verdict, number>();
  const verdicts = [
    ...outcome.hosts.map(({ state }) => state),
    ...askedHosts(outcome.asked).map(({ verdict }) => verdict),
  ];
  for (const verdict of verdicts) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  if (outcome.missingCount > 0) counts.set("missing", outcome.missingCount);
  return counts;
}
