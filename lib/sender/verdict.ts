/** What a host's acks say about it. */
import type { NeighborState } from "../wire/ack.ts";
import { type AddressPrefix, formatPrefix } from "../wire/ip_address.ts";
import { formatLinkLayerAddress } from "../wire/link_layer_address.ts";
import { type Answer, decisiveAnswers, type Host } from "./answers.ts";
import type { Ownership } from "./own_addresses.ts";

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

/** How many addresses a line names before it counts the rest. */
const namedMost = 3;

function listed(items: readonly string[]): string {
  const unique = [...new Set(items)];
  const more = unique.length - namedMost;
  return unique.slice(0, namedMost).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

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
        )
      }`;
    case "no answer":
      return `no answer ${listed(addresses("no answer").map((one) => formatPrefix(one.address)))}`;
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
