/** The neighbor cache of Linux, over iproute2. */
import type { NeighborReport } from "../wire/ack.ts";
import { type AddressPrefix, isWholeAddress, samePrefix } from "../wire/ip_address.ts";
import { createIpCommand, type IpCommand } from "./ip_command.ts";
import { createKernelTable, isPlainInterfaceName, type NeighborTarget } from "./kernel_table.ts";
import { type InterfaceAddress, interfacesToward, type Link, linksOf } from "./links.ts";
import { type Neighbor, type NeighborCache, NeighborCacheError } from "./neighbor_cache.ts";
import type { KernelNeighbor } from "./parse_ip.ts";
import { entryAt, isPermanent, resolveAnew, type ResolveOptions } from "./resolve.ts";

const eio = 5;

/** What the cache stands on. */
export interface LinuxCacheOptions extends ResolveOptions {
  /** @default createIpCommand() */
  readonly ip?: IpCommand;
  /** @default Deno.networkInterfaces */
  readonly interfaces?: () => readonly InterfaceAddress[];
}

/**
 * The cache of the network namespace this process is in. Changing it needs CAP_NET_ADMIN. A
 * link is what an interface's address and prefix length say: a network that is on-link only by
 * a route isn't looked at.
 */
export function createLinuxCache(options: LinuxCacheOptions = {}): NeighborCache {
  const { ip = createIpCommand(), interfaces = Deno.networkInterfaces } = options;
  const now = options.now ?? (() => performance.now());
  const table = createKernelTable(ip);

  function readLinks(): Link[] {
    try {
      return linksOf(interfaces());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new NeighborCacheError(`Cannot list the network interfaces: ${reason}`, eio);
    }
  }

  /** For each address where it can be a neighbor, in order; nowhere: it isn't looked at. */
  function targetsOf(
    addresses: readonly AddressPrefix[],
    source: AddressPrefix | undefined,
  ): NeighborTarget[][] {
    const links = readLinks().filter((link) => isPlainInterfaceName(link.interfaceName));
    return addresses.map((address) => {
      if (!isWholeAddress(address)) return [];
      return interfacesToward(links, address, source)
        .map((interfaceName) => ({ address, interfaceName }));
    });
  }

  async function report(
    addresses: readonly AddressPrefix[],
    source: AddressPrefix | undefined,
    read: (targets: readonly NeighborTarget[]) => Promise<KernelNeighbor[]>,
  ): Promise<NeighborReport[]> {
    const targets = targetsOf(addresses, source);
    const all = withoutDoubles(targets.flat());
    const neighbors = all.length === 0 ? [] : await read(all);
    return targets.map((places) => reportOf(neighbors, places));
  }

  return {
    description: "iproute2 (ip)",
    list: async () => (await table.list()).map(neighborOf),
    flush: async (scope) => {
      const start = now();
      const removed = await table.flush(scope);
      const micros = Math.round((now() - start) * 1000);
      return { removed, micros, notes: [] };
    },
    resolve: (addresses, source) =>
      report(addresses, source, (targets) => resolveAnew(table, targets, options)),
    look: (addresses, source) => report(addresses, source, () => table.listAll()),
    gateways: () => table.gateways(),
  };
}

function withoutDoubles(targets: readonly NeighborTarget[]): NeighborTarget[] {
  return targets.filter((target, i) =>
    i ===
      targets.findIndex((other) =>
        other.interfaceName === target.interfaceName && samePrefix(other.address, target.address)
      )
  );
}

function neighborOf(entry: KernelNeighbor): Neighbor {
  const { address, device, linkLayerAddress } = entry;
  return { address, interfaceName: device, linkLayerAddress, permanent: isPermanent(entry) };
}

/** What is known at the first of the places where there is a neighbor. */
function reportOf(
  neighbors: readonly KernelNeighbor[],
  places: readonly NeighborTarget[],
): NeighborReport {
  for (const place of places) {
    const entry = entryAt(neighbors, place);
    if (entry === undefined || entry.linkLayerAddress === null) continue;
    const state = isPermanent(entry) ? "permanent" : "neighbor";
    return { state, linkLayerAddress: entry.linkLayerAddress };
  }
  const state = places.length === 0 ? "not looked at" : "no neighbor";
  return { state, linkLayerAddress: new Uint8Array(6) };
}
