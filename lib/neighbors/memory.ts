/** A neighbor cache in memory: for trying ArpFlush out where no real cache may be changed. */
import {
  type AddressPrefix,
  type InterfaceInfo,
  isWholeAddress,
  ownInterfaces,
  prefixContains,
  prefixOf,
  samePrefix,
} from "../wire/addresses.ts";
import { type FoundNeighbor, foundWithout, type NeighborCache } from "./neighbor_cache.ts";

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
  /** What the cache holds for the address; null: nothing. */
  let cached: Uint8Array | null = failedRouter;

  function find(asked: AddressPrefix): FoundNeighbor {
    if (!samePrefix(asked, address)) {
      return foundWithout(isWholeAddress(asked) ? "no neighbor" : "not concerned");
    }
    if (cached === null) return foundWithout("no neighbor");
    return { state: "neighbor", cached: true, linkLayerAddress: cached };
  }

  return {
    description: "in memory (simulated)",
    list: () =>
      Promise.resolve(
        cached === null
          ? []
          : [{ address, interfaceName: "simulated", linkLayerAddress: cached, permanent: false }],
      ),
    flush(scope) {
      const isHit = cached !== null &&
        (scope === "all" || scope.some((prefix) => prefixContains(prefix, address)));
      if (isHit) cached = null;
      const forgotten = isHit ? [address] : [];
      return Promise.resolve({ removed: forgotten.length, forgotten, micros: 0, notes: [] });
    },
    resolve(addresses) {
      const isAsked = addresses.some((asked) => samePrefix(asked, address));
      if (isAsked) cached = router?.linkLayerAddress ?? null;
      return Promise.resolve(addresses.map(find));
    },
    look: (addresses) => Promise.resolve(addresses.map(find)),
    gateways: () => Promise.resolve([address]),
    nextHops: () => Promise.resolve([address]),
  };
}
