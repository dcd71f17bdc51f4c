/** Where datagrams may come from: addresses that are read, and networks that are allowed. */
import type { Time } from "../time.ts";
import {
  type AddressPrefix,
  type InterfaceInfo,
  isLoopback,
  type OwnAddress,
  parseAddress,
  parseOwnAddress,
  prefixContains,
  withoutZone,
} from "../wire/addresses.ts";

/** An address of the host, as `Deno.networkInterfaces` tells it. */
export interface AddressInfo extends Pick<InterfaceInfo, "address" | "cidr"> {
  /** The index of the interface that a link-local IPv6 address is on. */
  readonly scopeid?: number | null;
}

/** Interfaces are read again at the latest after this time, and sooner for an unknown source. */
const maxAgeMs = 30_000;
/** Least time between two readings that unknown sources cause. */
const unknownSourcePauseMs = 1_000;

/**
 * A check for sources inside the given networks. Loopback is always allowed: nobody on a wire can
 * claim it, and the host asks itself from there.
 */
export function allowNetworks(
  networks: readonly AddressPrefix[],
): (source: AddressPrefix) => boolean {
  return (source) =>
    isLoopback(source) || networks.some((network) => prefixContains(network, source));
}

/**
 * Checks for on-link sources and for the host itself, which follow its addresses. When the
 * interfaces can't be read the last ones stay valid.
 */
export class OnLinkSources {
  readonly #readAddresses: () => readonly AddressInfo[];
  readonly #time: Time;
  #own: readonly OwnAddress[] = [];
  #readAt = 0;
  /** Null when the networks are too old. A timer costs a datagram nothing; a clock would. */
  #cancelAging: (() => void) | null = null;
  /** In a flood many datagrams in a row are from one source, which `parseSource` parses once. */
  #latestAllowed: AddressPrefix | null = null;

  /** Knows no network before its first reading. */
  constructor(readAddresses: () => readonly AddressInfo[], time: Time) {
    this.#readAddresses = readAddresses;
    this.#time = time;
  }

  /** Reads the host's networks, as the first datagram does too. */
  read(): void {
    this.#latestAllowed = null;
    try {
      this.#own = this.#readAddresses().map(parseOwnAddress).filter((own) => own !== null);
    } catch {
      // Out of descriptors, for example: the next refresh tries again.
    }
  }

  /** Whether a source is on one of the host's links, or loopback. */
  isAllowed(source: AddressPrefix): boolean {
    if (this.#cancelAging !== null && source === this.#latestAllowed) return true;
    const isAllowed = this.#isIn(({ network }) => network, source);
    if (isAllowed) this.#latestAllowed = source;
    return isAllowed;
  }

  /** Whether a source is the host itself, at whichever address it listens. */
  isOwn(source: AddressPrefix): boolean {
    return this.#isIn(({ address }) => address, source);
  }

  /** Ends its timer. */
  close(): void {
    this.#cancelAging?.();
    this.#cancelAging = null;
  }

  #isIn(prefixOf: (own: OwnAddress) => AddressPrefix, source: AddressPrefix): boolean {
    const isIn = () =>
      isLoopback(source) || this.#own.some((own) => prefixContains(prefixOf(own), source));
    if (this.#cancelAging === null) this.#refresh();
    if (isIn()) return true;
    if (this.#time.monotonic() - this.#readAt < unknownSourcePauseMs) return false;
    this.#refresh();
    return isIn();
  }

  #refresh(): void {
    this.read();
    this.#readAt = this.#time.monotonic();
    this.#cancelAging?.();
    this.#cancelAging = this.#time.after(maxAgeMs, () => this.#cancelAging = null);
  }
}

/** What was parsed last: under load many datagrams in a row come from one source. */
let latest: { readonly hostname: string; readonly source: AddressPrefix | null } | null = null;

/** The address a datagram came from: unmapped (dual-stack sockets), its zone left out. */
export function parseSource(hostname: string): AddressPrefix | null {
  if (latest?.hostname !== hostname) {
    latest = { hostname, source: parseAddress(withoutZone(hostname)) };
  }
  return latest.source;
}
