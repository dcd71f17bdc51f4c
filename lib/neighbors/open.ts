/** Which implementation of the neighbor cache is for the system this runs on. */
import { type NeighborCache, NeighborCacheError } from "./neighbor_cache.ts";

/**
 * The cache of the system this runs on, which changes nothing yet. Rejects with a
 * `NeighborCacheError` on a system without an implementation.
 */
export async function openNeighborCache(): Promise<NeighborCache> {
  const { os } = Deno.build;
  // Loaded only where it is used: no platform ever sees another's bindings.
  if (os === "linux") return (await import("./linux.ts")).createLinuxCache();
  if (os === "windows") return (await import("./windows.ts")).openWindowsNeighborCache();
  throw new NeighborCacheError(`Cannot open the neighbor cache: no implementation for ${os}`, 0);
}
