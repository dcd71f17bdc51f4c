/** Which of the host's interfaces a change of the network on Windows concerns. */
import type { IpHelper } from "../win32/iphlpapi.ts";
import { AF_INET, AF_INET6 } from "../win32/netioapi.ts";
import { win32 } from "../win32/win32_error.ts";

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
