/** A neighbor cache in memory: for trying ArpFlush out where no real cache may be changed. */
import {
  type AddressPrefix,
  type InterfaceInfo,
  isWholeAddress,
  ownInterfaces,
  prefixContains,
  prefixOf,
} from "../wire/addresses.ts";
import {
  countRemoved,
  type FoundNeighbor,
  foundWithout,
  type Neighbor,
  type NeighborCache,
} from "./neighbor_cache.ts";

/** What is in the cache and what is around it. */
interface MemoryCacheOptions {
  /** The entries at the start. @default none */
  readonly neighbors?: readonly Neighbor[];
  /** The 6 bytes that an address resolves to, null if nobody answers. @default nobody */
  readonly answer?: (address: AddressPrefix) => Uint8Array | null;
  /** @default none */
  readonly gateways?: readonly AddressPrefix[];
}

/** The one interface there is. */
const interfaceName = "simulated";

/** A cache that holds what it was given, and loses and learns entries as a real one does. */
export function createMemoryCache(options: MemoryCacheOptions = {}): NeighborCache {
  const { answer = () => null, gateways = [] } = options;
  let neighbors: readonly Neighbor[] = [...options.neighbors ?? []];

  function keep(kept: (neighbor: Neighbor) => boolean): void {
    neighbors = neighbors.filter((neighbor) => neighbor.permanent || kept(neighbor));
  }

  function learn(address: AddressPrefix): void {
    const linkLayerAddress = answer(address);
    const known = neighbors.some((neighbor) => prefixContains(address, neighbor.address));
    if (linkLayerAddress === null || known) return;
    neighbors = [...neighbors, { address, interfaceName, linkLayerAddress, permanent: false }];
  }

  function find(address: AddressPrefix): FoundNeighbor {
    if (!isWholeAddress(address)) return foundWithout("not concerned");
    const found = neighbors.find((neighbor) => prefixContains(address, neighbor.address));
    if (found === undefined || found.linkLayerAddress === null) return foundWithout("no neighbor");
    const { permanent, linkLayerAddress } = found;
    return { state: permanent ? "permanent" : "neighbor", cached: true, linkLayerAddress };
  }

  return {
    description: "in memory (simulated)",
    list: () => Promise.resolve([...neighbors]),
    flush: (scope) => {
      const start = performance.now();
      const old = neighbors;
      keep(({ address }) =>
        scope !== "all" && !scope.some((prefix) => prefixContains(prefix, address))
      );
      const micros = Math.round((performance.now() - start) * 1000);
      const forgotten = old.filter((one) =>
        one.linkLayerAddress !== null && !neighbors.includes(one)
      ).map(({ address }) => address);
      const removed = countRemoved(old, neighbors);
      return Promise.resolve({ removed, forgotten, micros, notes: [] });
    },
    resolve: (addresses) => {
      const whole = addresses.filter(isWholeAddress);
      keep(({ address }) => !whole.some((other) => prefixContains(other, address)));
      whole.forEach(learn);
      return Promise.resolve(addresses.map(find));
    },
    look: (addresses) => Promise.resolve(addresses.map(find)),
    gateways: () => Promise.resolve([...gateways]),
    nextHops: () => Promise.resolve([...gateways]),
  };
}

/** Stands in where this machine has no address of its own; for documentation (RFC 5737). */
const anyAddress = prefixOf(4, 32, 192, 0, 2, 1);

/** The link-layer address of the router that failed, from those for documentation (RFC 7042). */
const failedRouter = Uint8Array.of(0x00, 0x00, 0x5e, 0x00, 0x53, 0x01);

/**
 * A host after a failover, as `--simulate` has it. This machine plays the new router: one of its own
 * addresses, named by `gateways()`, is in the cache at the router that failed, and resolves to
 * this machine's own link-layer address. On a machine with nothing but a loopback nobody answers.
 */
export function createSimulatedCache(
  interfaces: () => readonly InterfaceInfo[] = Deno.networkInterfaces,
): NeighborCache {
  const router = ownInterfaces(interfaces()).find(({ linkLayerAddress, addresses }) =>
    linkLayerAddress !== null && addresses.length > 0
  );
  const address = router?.addresses[0].address ?? anyAddress;
  const stale = { address, interfaceName, linkLayerAddress: failedRouter, permanent: false };
  const answer = () => router?.linkLayerAddress ?? null;
  return createMemoryCache({ neighbors: [stale], answer, gateways: [address] });
}
