/** A neighbor cache with nothing in it and nobody around it: what doubles of one are made from. */
import { foundWithout, type NeighborCache } from "../../lib/neighbors/neighbor_cache.ts";
import { type AddressPrefix, isWholeAddress } from "../../lib/wire/addresses.ts";

const find = (address: AddressPrefix) =>
  foundWithout(isWholeAddress(address) ? "no neighbor" : "not concerned");

export const emptyCache: NeighborCache = {
  description: "nothing",
  list: () => Promise.resolve([]),
  flush: () => Promise.resolve({ removed: 0, forgotten: [], micros: 0, notes: [] }),
  resolve: (addresses) => Promise.resolve(addresses.map(find)),
  look: (addresses) => Promise.resolve(addresses.map(find)),
  gateways: () => Promise.resolve([]),
  nextHops: () => Promise.resolve([]),
};
