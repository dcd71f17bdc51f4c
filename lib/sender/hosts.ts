/**
 * What acks say about hosts: acks in, results out. Pure, and the only place that judges an ack; the
 * exchange collects them, the outcome counts the results.
 */
import { listText } from "../text.ts";
import type { AckStatus, FlushAck, NeighborState } from "../wire/ack.ts";
import { type AddressPrefix, formatLinkLayerAddress, formatPrefix } from "../wire/addresses.ts";
import { printable } from "../wire/datagram.ts";
import { comparableName } from "./expectation.ts";
import type { Ownership } from "./targets.ts";

/** An authentic ack to a request of this run. */
export interface ReceivedAck {
  /** The source address, with its zone if it needs one. */
  readonly address: string;
  /** ms from the first copy to this ack. */
  readonly ms: number;
  readonly ack: FlushAck;
  /** Addresses that the request asked a report on, in the order of the ack's reports. */
  readonly addresses: readonly AddressPrefix[];
  readonly clock: ClockOffset;
}

/** How far the host's clock is from this machine's, in ms. */
export interface ClockOffset {
  /** The host's clock less this machine's: positive is ahead. */
  readonly ms: number;
  /** The offset may be wrong by so much, either way. */
  readonly errorMs: number;
}

/**
 * The offset of a host's clock as an ack shows it that came at `now`, after a round trip in ms: it
 * was read between the two, and nobody knows which way took longer, so the middle is taken (RFC 5905,
 * section 8).
 */
export function clockOffset(hostClock: number, now: number, roundTripMs: number): ClockOffset {
  return { ms: hostClock - (now - roundTripMs / 2), errorMs: roundTripMs / 2 };
}

/** A host that has answered: one by name, on however many interfaces. */
export interface AnsweringHost {
  /** Its own word, fit for a terminal; its address if it says nothing. */
  readonly name: string;
  /** In the order of arrival; at least one. */
  readonly acks: ReceivedAck[];
  /** A request dated by its own clock was sent to it. */
  repaired: boolean;
}

/** Hosts by `comparableName()`, in the order of their first acks. */
export type AnsweringHosts = Map<string, AnsweringHost>;

/** Adds an ack to its host, which is returned. */
export function addAck(hosts: AnsweringHosts, received: ReceivedAck): AnsweringHost {
  const name = printable(received.ack.host) || received.address;
  const key = comparableName(name);
  const host = hosts.get(key) ?? { name, acks: [], repaired: false };
  hosts.set(key, host);
  host.acks.push(received);
  return host;
}

/**
 * How a host ended, worst first: the flush failed; its clock is off and the repeated request wasn't
 * confirmed; it still has a link-layer address that isn't this machine's; nobody answered it at an
 * address in question; it has this machine's; it flushed, and there was nothing to verify; it was
 * probed and has nothing wrong.
 */
export type HostState =
  | "failed"
  | "stale"
  | "stuck"
  | "no answer"
  | "healed"
  | "flushed"
  | "alive";

/** Whether nothing is left to do at a host. */
export function isWell(state: HostState): boolean {
  return state === "healed" || state === "flushed" || state === "alive";
}

/** What a host reported on an address, and what that means. */
interface Finding {
  readonly address: AddressPrefix;
  readonly state: NeighborState;
  /** 6 bytes; null in the states without a neighbor. */
  readonly linkLayerAddress: Uint8Array | null;
  readonly finding: "healed" | "stuck" | "no answer" | "not judged";
}

/** A host, by all its acks so far. */
export interface HostResult {
  readonly name: string;
  readonly state: HostState;
  /** It did what was asked, whatever it found: neither failed nor stale. */
  readonly confirmed: boolean;
  /** The operating system's error code on the host; 0 unless `state` is "failed". */
  readonly error: number;
  /** Its source addresses, in the order of their first acks. */
  readonly addresses: readonly string[];
  /** All reports, in the requests' order, from each interface of the host. */
  readonly findings: readonly Finding[];
  /** ms from the first copy to the ack that decided. */
  readonly ms: number;
  /** Entries removed; probe: entries in the cache. */
  readonly entries: number;
  /** Microseconds that the flush took on the host. */
  readonly micros: number;
  readonly clock: ClockOffset;
  /** Acks received, repeated ones included. */
  readonly ackCount: number;
  readonly repaired: boolean;
}

/** What counts more: a copy may heal where an earlier one failed. */
const rank: Record<AckStatus, number> = { stale: 0, failed: 1, alive: 2, flushed: 2 };

/**
 * The acks that tell how a host ended: of each source address the best, and of those the best ones.
 * The first of its kind counts, but the last of several failures.
 */
function decisiveAcks(acks: readonly ReceivedAck[]): ReceivedAck[] {
  const byAddress = new Map<string, ReceivedAck>();
  for (const received of acks) {
    const { address, ack: { status } } = received;
    const known = byAddress.get(address)?.ack.status;
    const replaces = known === undefined || rank[status] > rank[known] ||
      status === "failed" && known === "failed";
    if (replaces) byAddress.set(address, received);
  }
  const best = [...byAddress.values()];
  const highest = Math.max(...best.map(({ ack }) => rank[ack.status]));
  return best.filter(({ ack }) => rank[ack.status] === highest);
}

/** The result of a host; `ownership` tells this machine's link-layer addresses from others'. */
export function judgeHost(
  { name, acks, repaired }: AnsweringHost,
  ownership: Ownership,
): HostResult {
  const decisive = decisiveAcks(acks);
  const { ms, ack: { status, error, entries, micros } } = decisive[0];
  const confirmed = status === "flushed" || status === "alive";
  const findings = confirmed ? decisive.flatMap((ack) => findingsOf(ack, ownership)) : [];
  return {
    name,
    state: confirmed ? stateOf(status, findings) : status,
    confirmed,
    error: status === "failed" ? error : 0,
    addresses: [...new Set(acks.map(({ address }) => address))],
    findings,
    ms,
    entries,
    micros,
    // The shorter a round trip, the less of it can be misjudged.
    clock: acks.map(({ clock }) => clock).reduce((a, b) => b.errorMs < a.errorMs ? b : a),
    ackCount: acks.length,
    repaired,
  };
}

function stateOf(status: "flushed" | "alive", findings: readonly Finding[]): HostState {
  const has = (finding: Finding["finding"]) => findings.some((one) => one.finding === finding);
  if (has("stuck")) return "stuck";
  if (has("no answer")) return "no answer";
  if (status === "alive") return "alive";
  return has("healed") ? "healed" : "flushed";
}

function findingsOf(
  { ack, address: source, addresses }: ReceivedAck,
  ownership: Ownership,
): Finding[] {
  return ack.reports.map((report, i) => {
    const address = addresses[i];
    const { state } = report;
    const linkLayerAddress = state === "neighbor" || state === "permanent"
      ? report.linkLayerAddress
      : null;
    const reported = { address, state, linkLayerAddress };
    if (state === "not looked at" || !ownership.isJudged(address, source)) {
      return { ...reported, finding: "not judged" };
    }
    if (linkLayerAddress === null) {
      // A probe only looks: without an entry the host will ask when it needs one.
      return { ...reported, finding: ack.status === "alive" ? "not judged" : "no answer" };
    }
    return { ...reported, finding: ownership.isOwn(linkLayerAddress) ? "healed" : "stuck" };
  });
}

/** Addresses that a line names before it counts the rest. */
const maxAddresses = 3;

/** A host's state in a few words: `STUCK 192.0.2.1 at 02:00:00:00:00:01`. */
export function stateText({ state, error, findings, clock }: HostResult): string {
  const found = findings.filter(({ finding }) => finding === state);
  switch (state) {
    case "failed":
      return `FAILED, error ${error}`;
    case "stale":
      return `REFUSED as stale, its clock is ${offsetText(clock)}`;
    case "stuck":
      return `STUCK ${listText(found.map(stuckText), maxAddresses)}`;
    case "no answer":
      return `no answer ${
        listText(found.map(({ address }) => formatPrefix(address)), maxAddresses)
      }`;
    default:
      return state;
  }
}

function stuckText({ address, linkLayerAddress, state }: Finding): string {
  const at = linkLayerAddress === null ? "" : formatLinkLayerAddress(linkLayerAddress);
  return `${formatPrefix(address)} at ${at}${state === "permanent" ? " (permanent)" : ""}`;
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
