/**
 * What a host's answers say about it. The rules are docs/protocol.md's "What the sender believes":
 * good is only what was looked at and found at a link-layer address of this router.
 */
import type { FlushAck, NeighborReport } from "../wire/ack.ts";
import { type AddressPrefix, formatAddress } from "../wire/addresses.ts";
import { printableName } from "../text.ts";
import { type Answer, type AskedRequest, type Host, type Hosts, isDecided } from "./hosts.ts";
import type { HostPlace } from "./own_link_layer.ts";

/**
 * How a host stands, worst first: it has an address in question at another's link-layer address; its
 * flush failed; nobody answered it at an address that it uses; an address could not be looked at; its
 * clock is off, or the request is older than its service, and the repair wasn't answered; its flush
 * is still to come; all it has is right; it flushed, and there was nothing to look at; it was probed
 * and has nothing wrong.
 */
export const hostStates = [
  "stuck",
  "failed",
  "no answer",
  "unverified",
  "stale",
  "pending",
  "healed",
  "flushed",
  "alive",
] as const;
export type HostState = typeof hostStates[number];

/** Whether nothing is left to do at a host. */
export function isGood(state: HostState): boolean {
  return state === "healed" || state === "flushed" || state === "alive";
}

/** What a host reported on one address in question, and what that means. */
interface Finding {
  readonly address: AddressPrefix;
  /**
   * "no matter": not on its links, or an address that it never used and that nobody answers for; in a
   * probe also one without an entry, as nobody was asked for it.
   */
  readonly finding: "stuck" | "no answer" | "unverified" | "healed" | "no matter";
  /** Where the host sends to; null without a neighbor. */
  readonly linkLayerAddress: Uint8Array | null;
  /** The report; null if the host answered nothing on the address. */
  readonly report: NeighborReport | null;
}

/** What is true of one host, as far as its answers say. */
export interface HostResult {
  readonly host: Host;
  /** The name that it gives, fit for a terminal; its address if it gives none. */
  readonly name: string;
  readonly state: HostState;
  /** The operating system's error code; 0 unless the state is "failed". */
  readonly error: number;
  /** On each address of each request that it had to answer. */
  readonly findings: readonly Finding[];
  /** Its addresses are healed and the rest of its cache waits for the hold-down. */
  readonly restPending: boolean;
  /** ms from the first copy to the last of the answers that count. */
  readonly ms: number;
  /** Entries removed; probe: entries in the cache. */
  readonly entries: number;
  /** Microseconds that the flush took on the host. */
  readonly micros: number;
}

/**
 * Whether a link-layer address, at which a host has an address of this router, is this router's own;
 * null where the system doesn't tell which it has on that link. With a place: on the host's link.
 */
export type IsOwnLinkLayerAddress = (
  linkLayerAddress: Uint8Array,
  address: AddressPrefix,
  place?: HostPlace,
) => boolean | null;

/**
 * What a report on an address in question means. An entry that the host learned proves that the
 * interface is on its link; one that was set there proves nothing.
 */
function meaningOf(
  { state, linkLayerAddress, cached, gateway }: NeighborReport,
  address: AddressPrefix,
  isProbe: boolean,
  isOwn: IsOwnLinkLayerAddress,
  place?: HostPlace,
): Finding["finding"] {
  switch (state) {
    case "neighbor":
    case "permanent": {
      const own = isOwn(linkLayerAddress, address, state === "permanent" ? place : undefined);
      return own === null ? "unverified" : own ? "healed" : "stuck";
    }
    case "no neighbor":
      // In a probe nobody was asked; the host will ask when it needs the address.
      return !isProbe && (cached || gateway) ? "no answer" : "no matter";
    case "unknown":
      return "unverified";
    case "not concerned":
      return "no matter";
  }
}

function findingsOf(
  ack: FlushAck,
  { addresses, action }: AskedRequest,
  isOwn: IsOwnLinkLayerAddress,
  place?: HostPlace,
): Finding[] {
  return ack.reports.map((report, i): Finding => {
    const hasNeighbor = report.state === "neighbor" || report.state === "permanent";
    return {
      address: addresses[i],
      finding: meaningOf(report, addresses[i], action === "probe", isOwn, place),
      linkLayerAddress: hasNeighbor ? report.linkLayerAddress : null,
      report,
    };
  });
}

/** The state that findings of one decided answer amount to. */
function stateOf(findings: readonly Finding[], isProbe: boolean): HostState {
  const has = (finding: Finding["finding"]) => findings.some((one) => one.finding === finding);
  if (has("stuck")) return "stuck";
  if (has("no answer")) return "no answer";
  if (has("unverified")) return "unverified";
  if (isProbe) return "alive";
  return has("healed") ? "healed" : "flushed";
}

/** Compares two decided answers to a request: negative if the first tells something worse. */
export function compareAnswers(
  a: FlushAck,
  b: FlushAck,
  request: AskedRequest,
  isOwn: IsOwnLinkLayerAddress,
): number {
  const placeOf = (ack: FlushAck) =>
    hostStates.indexOf(stateOf(findingsOf(ack, request, isOwn), request.action === "probe"));
  return placeOf(a) - placeOf(b);
}

/** The result of a host, from those of its answers that count; nothing is said of `left` addresses. */
export function hostResult(
  host: Host,
  hosts: Hosts,
  isOwn: IsOwnLinkLayerAddress,
  left: readonly string[] = [],
): HostResult {
  const isHere = (address: AddressPrefix) => !left.includes(formatAddress(address));
  const findings: Finding[] = [];
  const states: HostState[] = [];
  const answers: Answer[] = [];
  let error = 0;
  const place = { links: hosts.linksOf(host), addresses: host.addresses };
  for (const request of hosts.requestsOf(host)) {
    const answer = hosts.answerOf(host, request);
    if (answer !== null) answers.push(answer);
    if (answer === null) {
      if (!request.report) continue;
      const unanswered = { finding: "unverified", linkLayerAddress: null, report: null } as const;
      const missing = request.addresses.filter(isHere);
      findings.push(...missing.map((address) => ({ address, ...unanswered })));
      states.push("unverified");
    } else if (isDecided(answer.ack, request)) {
      const found = findingsOf(answer.ack, request, isOwn, place)
        .filter(({ address }) => isHere(address));
      findings.push(...found);
      states.push(stateOf(found, request.action === "probe"));
    } else {
      if (answer.ack.status === "failed") error = answer.ack.error;
      states.push(answer.ack.status as HostState);
    }
  }
  const state = hostStates.find((one) => states.includes(one)) ?? "unverified";
  const most = (of: (answer: Answer) => number) =>
    answers.reduce((most, answer) => Math.max(most, of(answer)), 0);
  const flushed = answers.filter(({ ack }) => ack.status !== "pending" && ack.status !== "stale");
  return {
    host,
    name: printableName(host.name) || [...host.addresses][0],
    state,
    error: state === "failed" ? error : 0,
    findings,
    restPending: answers.some(({ ack }) => ack.status === "pending") && state !== "pending",
    ms: most(({ ms }) => ms),
    entries: most(({ ack }) => ack.entries),
    micros: flushed.reduce((most, { ack }) => Math.max(most, ack.micros), 0),
  };
}
