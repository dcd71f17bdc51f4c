/**
 * What is said of a run, for people and files: the verdict on each host, in words, and the outcome in a
 * line. It is loaded once the first datagrams have left.
 */
import {
  type AskedHost,
  askedHosts,
  type AskResult,
  type AskVerdict,
  askVerdicts,
  weightOf,
} from "../ask/verdicts.ts";
import { countText, listText, printable } from "../text.ts";
import { type AddressPrefix, formatLinkLayerAddress, formatPrefix } from "../wire/addresses.ts";
import type { ClockOffset } from "./hosts.ts";
import { actionOf, type ExitCode, exitCode, isListed, type Outcome } from "./outcome.ts";
import { type HostResult, type HostState, hostStates, isGood } from "./verdict.ts";

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

/** Addresses that a line names before it counts the rest. */
const maxAddresses = 3;

/** A host's state in a few words: `STUCK 192.0.2.1 at 02:00:00:00:00:01`. */
export function stateText(result: HostResult): string {
  const { state, error, findings, host, restPending } = result;
  const found = findings.filter(({ finding }) => finding === state);
  const named = (text: (finding: typeof found[number]) => string) =>
    listText(found.map(text), maxAddresses);
  switch (state) {
    case "failed":
      return `FAILED, error ${error}`;
    case "stale":
      return `REFUSED as stale, its clock is ${offsetText(host.clock)}`;
    case "stuck":
      return `STUCK ${
        named((one) => placeText(one) + (one.report?.state === "permanent" ? " (permanent)" : ""))
      }`;
    case "no answer":
    case "unverified":
      return `${state} ${named(({ address }) => formatPrefix(address))}`;
    case "pending":
      return "pending: its flush is held down";
    default:
      return restPending ? `${state}, the rest of its cache is held down` : state;
  }
}

/** The verdict on a host that was asked in a few words: `STUCK 192.0.2.1 at 02:00:00:00:00:01`. */
export function askedText({ verdict, results }: Pick<AskedHost, "verdict" | "results">): string {
  switch (verdict) {
    case "stuck": {
      const stuck = results.filter((one) => one.verdict === "stuck");
      return `STUCK ${listText(stuck.map(placeText), maxAddresses)}`;
    }
    case "no answer":
      return "no answer when asked";
    case "asked":
      return "asked, took it, proved nothing";
    default:
      return verdict;
  }
}

/** Where a host sends what is for an address; that isn't always seen. */
function placeText(
  { address, linkLayerAddress }: Pick<AskResult, "address" | "linkLayerAddress">,
): string {
  const at = linkLayerAddress === null ? "" : ` at ${formatLinkLayerAddress(linkLayerAddress)}`;
  return formatPrefix(address) + at;
}

/**
 * A clock offset for people: `600.0 s ahead`, `12 ms behind`; `within 31 ms` where the clocks may be
 * the same as far as can be told.
 */
export function offsetText({ ms, errorMs }: ClockOffset): string {
  const amount = Math.abs(ms);
  if (amount <= errorMs) return `within ${Math.ceil(errorMs)} ms`;
  const direction = ms < 0 ? "behind" : "ahead";
  return amount < 1000
    ? `${Math.round(amount)} ms ${direction}`
    : `${(amount / 1000).toFixed(1)} s ${direction}`;
}

/** Hosts or targets that a line names before it counts the rest. */
const maxNamed = 8;

/** What a count of hosts with a verdict is called. */
export const verdictWord: Record<Verdict, string> = {
  stuck: "STUCK",
  failed: "failed",
  "no answer": "without answer",
  unverified: "unverified",
  stale: "refused as stale",
  pending: "pending",
  healed: "healed",
  flushed: "flushed",
  alive: "alive",
  missing: "missing",
  ok: "ok",
  asked: "asked without proof",
  "not asked": "not asked",
};

/** What was sent where: `Flush: 5 copies to 192.0.2.255`. */
function sentText(outcome: Outcome): string {
  const { targets, copies } = outcome.record;
  const reached = targets.filter(({ sent, error }) => sent > 0 || error === null)
    .map(({ target }) => target.hostname);
  const action = actionOf(outcome);
  if (action === "none") return "No datagram";
  const subject = {
    probe: "Probe",
    "flush all": "Flush",
    "flush listed": "Flush of listed addresses",
    password: "Password",
  }[action];
  return reached.length === 0
    ? `${subject} not sent`
    : `${subject}: ${countText(copies, "copy", "copies")} to ${listText(reached, maxNamed)}`;
}

/**
 * The outcome as a line without a line break: what was sent, how many hosts are in which state, and
 * by name those that something is wrong with.
 */
export function summaryLine(outcome: Outcome): string {
  const { hosts, record, plan } = outcome;
  const parts = [sentText(outcome)];
  const counts = Array.from(
    verdictCounts(outcome),
    ([verdict, count]) => `${count} ${verdictWord[verdict]}`,
  );
  const isSigned = plan.exchange.content.kind === "signed";
  const asked = askedHosts(outcome.asked).filter(({ verdict }) => verdict !== "not asked").length;
  const tallies = [
    ...isSigned && !record.hasLostAddresses
      ? [`${countText(hosts.length, "host", "hosts")} answered`]
      : [],
    ...asked > 0 ? [`${countText(asked, "host was", "hosts were")} asked`] : [],
  ];
  const told = [tallies, counts].filter((list) => list.length > 0).map((list) => list.join(", "));
  if (told.length > 0 && outcome.exitCode !== exitCode.nothingSent) parts.push(told.join(": "));
  const named = hostVerdicts(outcome).filter(({ isGood }) => !isGood)
    .map(({ name, text }) => `${name} ${text}`);
  if (named.length > 0) parts.push(listText(named, maxNamed));
  for (const { target, sent, error } of record.targets) {
    if (sent === 0 && error !== null) parts.push(`cannot send to ${target.hostname}: ${error}`);
  }
  const warnings = isSigned ? [...plan.warnings, ...remarks(outcome)] : [];
  return [...parts, ...plan.faults, ...outcome.hindrances, ...warnings, ...record.asked.remarks]
    .join("; ");
}

/** What else should be known of a run that asked for acks. */
function remarks(outcome: Outcome): string[] {
  const { hosts, own, missingCount, impostors, record } = outcome;
  const { elsewhere, uncounted, unverified, strayPorts } = record;
  const { first, last } = outcome.plan.options.sourcePorts;
  const ports = first === last ? `port ${first}` : `ports ${first} to ${last}`;
  const taken = first === last ? `${first} was taken` : `${first} to ${last} were taken`;
  const names = Map.groupBy(hosts, ({ name }) => name);
  const twice = [...names].filter(([, all]) => new Set(all.map(({ host }) => host.key)).size > 1);
  const tooMany = uncounted.get("too many hosts") ?? 0;
  const dropped = uncounted.get("too many at once") ?? 0;
  const isNobodyHeard = missingCount > 0 && hosts.length === 0 && outcome.asked.length === 0 &&
    outcome.exitCode !== exitCode.nothingSent;
  const impostorsAt = impostors.flatMap(({ addresses }) => [...addresses]);
  const all: readonly [isTrue: boolean, remark: string][] = [
    [
      isNobodyHeard,
      `no ack came in${own.length > 0 ? " from others" : ""}: ` +
      `a firewall here must let in UDP to ${ports}`,
    ],
    [strayPorts.size > 0, `acks went to port ${[...strayPorts].join(", ")}, since ${taken}`],
    [
      impostors.length > 0,
      `a pinned name was used by another key at ${listText(impostorsAt, maxNamed)}`,
    ],
    [
      twice.length > 0,
      `several hosts are named ${listText(twice.map(([name]) => name), maxNamed)}`,
    ],
    [
      elsewhere.size > 0,
      `acks from where nothing was sent to: ${listText([...elsewhere.keys()], maxNamed)}`,
    ],
    [unverified > 0, `${countText(unverified, "ack was", "acks were")} not verified in time`],
    [tooMany > 0, `${countText(tooMany, "ack", "acks")} of further hosts not counted`],
    [dropped > 0, `${countText(dropped, "ack", "acks")} came too fast to be verified`],
  ];
  return all.filter(([isTrue]) => isTrue).map(([, remark]) => remark);
}

/** How loud the system log should be about an exit code. */
export function severityOf(code: ExitCode): "info" | "warning" | "error" {
  if (code === exitCode.good) return "info";
  return code === exitCode.notGood || code === exitCode.hindered ? "warning" : "error";
}
