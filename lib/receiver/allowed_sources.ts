/**
 * Whose datagrams are looked at. On-link means: inside the network of one of the host's own
 * addresses. Loopback always is, as nobody on a wire can claim it: the host asks itself that way.
 */
import { type AddressPrefix, networkOf, parseAddress, parsePrefix } from "../wire/ip_address.ts";
import { prefixContains } from "../wire/ip_address.ts";

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

/** A check for on-link sources. When the interfaces can't be read the last networks stay valid. */
export function allowOnLink(
  readAddresses: () => readonly OwnAddress[],
  monotonic: () => number,
): (source: AddressPrefix) => boolean {
  let check = allowNetworks([]);
  let readAt = -Infinity;
  function refresh(now: number): void {
    readAt = now;
    try {
      check = allowNetworks(
        readAddresses().map(networkOfOwn).filter((network) => network !== null),
      );
    } catch {
      // Out of descriptors, for example: the next refresh tries again.
    }
  }
  // Now as well as for the first datagram: by then there may be no descriptor left for reading them.
  refresh(-Infinity);
  return (source) => {
    const now = monotonic();
    if (now - readAt >= refreshEveryMs) refresh(now);
    if (check(source)) return true;
    if (now - readAt < refreshOnMissMs) return false;
    refresh(now);
    return check(source);
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
