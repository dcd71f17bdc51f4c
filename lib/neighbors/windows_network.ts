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

/**
 * A function that gives the indexes of the interfaces that were added, connected or got an address
 * since its last call, or since this one. A change of a parameter, such as the metric, isn't any of
 * these, though Windows notifies of it all the same. A table that can't be read says nothing new.
 */
export function createChangeDetector(ip: IpHelper): () => number[] {
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
  return () => {
    const concerned = new Set<number>();
    readers.forEach((read, i) => {
      const now = read();
      if (now === null) return;
      for (const [key, index] of now) if (!known[i].has(key)) concerned.add(index);
      known[i] = now;
    });
    return [...concerned];
  };
}
