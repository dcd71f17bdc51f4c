/**
 * The host's network on Windows apart from its neighbors: own addresses, the owners of a UDP port, and
 * which interfaces a change concerns.
 */
import type { IpHelper } from "../win32/iphlpapi.ts";
import { AF_INET, AF_INET6 } from "../win32/netioapi.ts";
import { win32 } from "../win32/win32_error.ts";
import { type AddressPrefix, formatAddress } from "../wire/addresses.ts";
import { bothFamilies, callError, readUnicastRows, rowKey } from "./windows_tables.ts";

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
  /** The connected interfaces, family by family. */
  function readConnections(): [key: string, interfaceIndex: number][] {
    return bothFamilies("GetIpInterfaceTable", (family) => ip.getIpInterfaceTable(family))
      .filter(({ isConnected }) => isConnected)
      .map(({ family, interfaceIndex }) => [`${interfaceIndex} ${family}`, interfaceIndex]);
  }

  /** The host's addresses, each with its interface. */
  function readAddresses(): [key: string, interfaceIndex: number][] {
    return readUnicastRows(ip).map((row) => [rowKey(row), row.interfaceIndex]);
  }

  const tables = [readConnections, readAddresses]
    .map((read) => ({ read, known: new Set<string>() }));
  const noted = new Set<number>();

  function changed(): number[] {
    for (const table of tables) {
      try {
        const rows = table.read();
        for (const [key, index] of rows) if (!table.known.has(key)) noted.add(index);
        table.known = new Set(rows.map(([key]) => key));
      } catch {
        continue; // Whether anything is new shows when it can be read again.
      }
    }
    const concerned = [...noted];
    noted.clear();
    return concerned;
  }

  changed();
  return { note: (index) => void noted.add(index), changed };
}
