/**
 * Whose datagrams are looked at. On-link means: inside the network of one of the host's own
 * addresses. Loopback always is, as nobody on a wire can claim it: the host asks itself that way.
 */
import { type AddressPrefix, networkOf, parseAddress, parsePrefix } from "../wire/ip_address.ts";
import { prefixContains } from "../wire/ip_address.ts";
import type { After } from "./clock.ts";

/** An address of the host, as `Deno.networkInterfaces` tells it. */
export type OwnAddress = Pick<Deno.NetworkInterfaceInfo, "address" | "cidr">;

const loopback = [parsePrefix("127.0.0.0/8"), parsePrefix("::1")];
/** Interfaces are read again at the latest after this time, and sooner for an unknown source. */
const refreshEveryMs = 30_000;
/** Between two readings because of unknown sources. */
const refreshOnMissMs = 1_000;

/** A check for sources inside the given networks. */
export function allowNetworks(
  networks: readonly AddressPrefix[],
): (source: AddressPrefix) => boolean {
  const allowed = [...loopback, ...networks];
  return (source) => allowed.some((network) => prefixContains(network, source));
}

/** A check for on-link sources that follows the host's addresses. */
export interface OnLinkSources {
  readonly isAllowed: (source: AddressPrefix) => boolean;
  /** Reads the host's networks, as the first datagram makes it do too. */
  readonly read: () => void;
  /** Ends its timer. */
  close(): void;
}

/** Knows no network yet. When the interfaces can't be read the last networks stay valid. */
export function createOnLinkSources(
  readAddresses: () => readonly OwnAddress[],
  monotonic: () => number,
  after: After,
): OnLinkSources {
  let check = allowNetworks([]);
  let readAt = -Infinity;
  // While they are fresh. A timer costs nothing for each datagram, as a look at the clock would.
  let cancel: (() => void) | null = null;
  // In a flood many datagrams in a row are from one source, which `parseSource` has parsed once.
  let latestAllowed: AddressPrefix | null = null;
  function read(): void {
    latestAllowed = null;
    try {
      check = allowNetworks(
        readAddresses().map(networkOfOwn).filter((network) => network !== null),
      );
    } catch {
      // Out of descriptors, for example: the next refresh tries again.
    }
  }
  function refresh(): void {
    read();
    readAt = monotonic();
    cancel?.();
    cancel = after(refreshEveryMs, () => cancel = null);
  }
  return {
    read,
    isAllowed(source) {
      if (cancel === null) refresh();
      if (source === latestAllowed) return true;
      if (check(source)) {
        latestAllowed = source;
        return true;
      }
      if (monotonic() - readAt < refreshOnMissMs) return false;
      refresh();
      return check(source);
    },
    close() {
      cancel?.();
      cancel = null;
    },
  };
}

/** The network of an own address (`192.0.2.7/24`, `fe80::1%eth0/64`), or null. */
function networkOfOwn({ address, cidr }: OwnAddress): AddressPrefix | null {
  const own = parseSource(address);
  const length = Number(cidr.slice(cidr.lastIndexOf("/") + 1));
  return own === null || !(length <= own.length) ? null : networkOf(own, length);
}

/** What was parsed last: under load many datagrams in a row come from one source. */
let latest: { readonly hostname: string; readonly source: AddressPrefix | null } | null = null;

/** The address a datagram came from: unmapped (dual-stack sockets), its zone left out. */
export function parseSource(hostname: string): AddressPrefix | null {
  if (latest?.hostname !== hostname) {
    latest = { hostname, source: parseAddress(hostname.replace(/%.*$/, "")) };
  }
  return latest.source;
}
