/**
 * What a host's answers say about it. The rules are docs/protocol.md's "What the sender believes":
 * good is only what was looked at and found at a link-layer address of this router.
 */
import type { FlushAck, NeighborReport } from "../wire/ack.ts";
import type { AddressPrefix } from "../wire/addresses.ts";
import { type AskedRequest, type Host, type Hosts, isDecided } from "./hosts.ts";

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
export interface Finding {
  readonly address: AddressPrefix;
  /**
   * "no matter": not on its links, or an address that it never used and that nobody answers for;
   * "not asked" is said in a probe of an address without an entry: nobody was asked for it.
   */
  readonly finding: "stuck" | "no answer" | "unverified" | "healed" | "no matter";
  /** Where the host sends to; null without a neighbor. */
  readonly linkLayerAddress: Uint8Array | null;
  /** The entry is one that a flush leaves alone. */
  readonly permanent: boolean;
  /** The report; null if the host answered nothing on the address. */
  readonly report: NeighborReport | null;
}

/** What is true of one host, as far as its answers say. */
export interface HostResult {
  readonly host: Host;
  readonly state: HostState;
  /** The operating system's error code; 0 unless the state is "failed". */
  readonly error: number;
  /** On each address of each request that it had to answer. */
  readonly findings: readonly Finding[];
  /** Its addresses are healed and the rest of its cache waits for the hold-down. */
  readonly restPending: boolean;
}

/** Whether a link-layer address is one of this router's. */
export type IsOwnLinkLayerAddress = (address: Uint8Array) => boolean;

/** What a report on an address in question means. */
export function findingOf(
  address: AddressPrefix,
  report: NeighborReport,
  isProbe: boolean,
  isOwn: IsOwnLinkLayerAddress,
): Finding {
  const { state, cached, gateway } = report;
  const hasNeighbor = state === "neighbor" || state === "permanent";
  const common = {
    address,
    linkLayerAddress: hasNeighbor ? report.linkLayerAddress : null,
    permanent: state === "permanent",
    report,
  };
  switch (state) {
    case "neighbor":
    case "permanent":
      return { ...common, finding: isOwn(report.linkLayerAddress) ? "healed" : "stuck" };
    case "no neighbor":
      // In a probe nobody was asked; the host will ask when it needs the address.
      return { ...common, finding: !isProbe && (cached || gateway) ? "no answer" : "no matter" };
    case "unknown":
      return { ...common, finding: "unverified" };
    case "not concerned":
      return { ...common, finding: "no matter" };
  }
}

const unanswered = (address: AddressPrefix): Finding => ({
  address,
  finding: "unverified",
  linkLayerAddress: null,
  permanent: false,
  report: null,
});

function findingsOf(ack: FlushAck, request: AskedRequest, isOwn: IsOwnLinkLayerAddress): Finding[] {
  const isProbe = request.action === "probe";
  return ack.reports.map((report, i) => findingOf(request.addresses[i], report, isProbe, isOwn));
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

/** What is true of a host by what counts of its answers. */
export function hostResult(host: Host, hosts: Hosts, isOwn: IsOwnLinkLayerAddress): HostResult {
  const findings: Finding[] = [];
  const states: HostState[] = [];
  let error = 0;
  let restPending = false;
  for (const request of hosts.requestsOf(host)) {
    const answer = hosts.answerOf(host, request);
    if (answer === null) {
      if (!request.report) continue;
      findings.push(...request.addresses.map(unanswered));
      states.push("unverified");
    } else if (isDecided(answer.ack, request)) {
      const found = findingsOf(answer.ack, request, isOwn);
      findings.push(...found);
      states.push(stateOf(found, request.action === "probe"));
      restPending ||= answer.ack.status === "pending";
    } else {
      if (answer.ack.status === "failed") error = answer.ack.error;
      states.push(answer.ack.status as HostState);
    }
  }
  const state = hostStates.find((one) => states.includes(one)) ?? "unverified";
  return { host, state, error: state === "failed" ? error : 0, findings, restPending };
}
