/**
 * The host's network on Windows apart from its neighbors: own addresses, the owners of a UDP port, and
 * which interfaces a change concerns.
 */
import type { IpHelper } from "../win32/iphlpapi.ts";
import { AF_INET, AF_INET6 } from "../win32/netioapi.ts";
import { win32 } from "../win32/win32_error.ts";
import { type AddressPrefix, formatAddress } from "../wire/addresses.ts";
import { callError, readUnicastRows } from "./windows_tables.ts";

/**
 * The host's addresses with their networks, as `Deno.networkInterfaces` has them, which takes up to a
 * second where there are many network cards. Throws a NeighborCacheError.
 */
export function readOwnAddresses(
  ip: IpHelper,
): { readonly address: string; readonly cidr: string; readonly scopeid: number }[] {
  return readUnicastRows(ip).map(({ address, onLinkPrefixLength, interfaceIndex }) => {
    const text = formatAddress(address);
    return { address: text, cidr: `${text}/${onLinkPrefixLength}`, scopeid: interfaceIndex };
  });
}

/** The sockets that processes other than this one have on a UDP port. Throws a NeighborCacheError. */
export function readPortOwners(
  ip: IpHelper,
  port: number,
  ownPid: number,
): { readonly address: AddressPrefix; readonly pid: number }[] {
  return ([AF_INET, AF_INET6] as const).flatMap((family) => {
    const { code, rows } = ip.getExtendedUdpTable(family);
    if (code !== win32.success && code !== win32.notSupported) {
      throw callError(`GetExtendedUdpTable(${family})`, code);
    }
    return rows.filter((row) => row.port === port && row.pid !== ownPid);
  });
}

/** What finds out which interfaces a change concerns. */
interface ChangeDetector {
  /** Notes an interface that the system names itself: what it got may be gone before it is looked for. */
  readonly note: (interfaceIndex: number) => void;
  /**
   * The indexes of the interfaces that were added, connected or got an address since the last call, or
   * since the detector was made. A change of a parameter, such as the metric, isn't any of these,
   * though Windows notifies of it all the same. A table that can't be read says nothing new.
   */
  readonly changed: () => number[];
}

/** Makes a detector that knows how things are now. */
export function createChangeDetector(ip: IpHelper): ChangeDetector {
  const families = [AF_INET, AF_INET6];

  /** The connected interfaces, family by family. */
  function readConnections(): Map<string, number> | null {
    const results = families.map((family) => ip.getIpInterfaceTable(family));
    if (!results.some(({ code }) => code === win32.success)) return null;
    const rows = results.flatMap(({ rows }) => rows).filter(({ isConnected }) => isConnected);
    return new Map(rows.map((row) => [`${row.family} ${row.interfaceIndex}`, row.interfaceIndex]));
  }

  /** The host's addresses, each with its interface. */
  function readAddresses(): Map<string, number> | null {
    const results = families.map((family) => ip.getUnicastIpAddressTable(family));
    if (!results.some(({ code }) => code === win32.success)) return null;
    const rows = results.flatMap(({ rows }) => rows);
    return new Map(rows.map(({ address, interfaceIndex }) => [
      `${address.family} ${address.bytes.toHex()} ${interfaceIndex}`,
      interfaceIndex,
    ]));
  }

  const readers = [readConnections, readAddresses];
  const known = readers.map((read) => read() ?? new Map<string, number>());
  let noted = new Set<number>();

  function changed(): number[] {
    const concerned = noted;
    noted = new Set();
    readers.forEach((read, i) => {
      const now = read();
      if (now === null) return;
      for (const [key, index] of now) if (!known[i].has(key)) concerned.add(index);
      known[i] = now;
    });
    return [...concerned];
  }

  return { note: (index) => void noted.add(index), changed };
}
