/** What a flush removed, counted from the table before and after it. */
import { formatAddress } from "../wire/ip_address.ts";
import type { Neighbor } from "./neighbor_cache.ts";

/** How many entries are gone, or at another link-layer address. */
export function countRemoved(before: readonly Neighbor[], after: readonly Neighbor[]): number {
  const left = new Map(after.map((neighbor) => [keyOf(neighbor), linkLayerText(neighbor)]));
  return before.filter((neighbor) => left.get(keyOf(neighbor)) !== linkLayerText(neighbor)).length;
}

function keyOf({ address, interfaceName }: Neighbor): string {
  return `${formatAddress(address)} ${interfaceName}`;
}

function linkLayerText({ linkLayerAddress }: Neighbor): string {
  return linkLayerAddress?.toHex() ?? "";
}
