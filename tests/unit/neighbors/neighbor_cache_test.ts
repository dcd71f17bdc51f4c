import assert from "node:assert/strict";
import {
  countRemoved,
  type Neighbor,
  NeighborCacheError,
  toCacheError,
} from "../../../lib/neighbors/neighbor_cache.ts";
import { parseLinkLayerAddress, parsePrefix } from "../../../lib/wire/addresses.ts";

function neighbor(address: string, interfaceName: string, lladdr: string | null): Neighbor {
  const linkLayerAddress = lladdr === null ? null : parseLinkLayerAddress(lladdr);
  return { address: parsePrefix(address), interfaceName, linkLayerAddress, permanent: false };
}

Deno.test("countRemoved() counts what is gone, moved, or known no more", () => {
  const before = [
    neighbor("192.0.2.1", "e0", "02:00:00:00:00:01"),
    neighbor("192.0.2.2", "e0", "02:00:00:00:00:02"),
    neighbor("192.0.2.3", "e0", "02:00:00:00:00:03"),
    neighbor("192.0.2.4", "e0", "02:00:00:00:00:04"),
    neighbor("fe80::1", "e0", "02:00:00:00:00:05"),
    neighbor("fe80::1", "e1", "02:00:00:00:00:05"),
    neighbor("192.0.2.6", "e0", null),
  ];
  const after = [
    neighbor("192.0.2.2", "e0", "02:00:00:00:00:99"),
    neighbor("192.0.2.3", "e0", null),
    neighbor("192.0.2.4", "e0", "02:00:00:00:00:04"),
    neighbor("fe80::1", "e0", "02:00:00:00:00:05"),
    neighbor("192.0.2.7", "e0", "02:00:00:00:00:07"),
  ];
  assert.equal(countRemoved(before, after), 5);
  assert.equal(countRemoved(before, before), 0);
  assert.equal(countRemoved([], after), 0);
});

Deno.test("toCacheError() keeps a failure of the cache and gives others EIO", () => {
  const failure = new NeighborCacheError("Cannot flush", 110);
  assert.equal(toCacheError(failure), failure);
  const { message, code } = toCacheError(new TypeError("x is not a function"));
  assert.deepEqual([message, code], ["x is not a function", 5]);
});
