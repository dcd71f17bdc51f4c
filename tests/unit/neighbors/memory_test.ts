import assert from "node:assert/strict";
import { createMemoryCache, createSimulatedCache } from "../../../lib/neighbors/memory.ts";
import type { Neighbor } from "../../../lib/neighbors/neighbor_cache.ts";
import { formatAddress, parsePrefix } from "../../../lib/wire/addresses.ts";

const oldMac = Uint8Array.of(2, 0, 0, 0, 0, 1);
const newMac = Uint8Array.of(2, 0, 0, 0, 0, 2);

function neighbor(address: string, permanent = false): Neighbor {
  const linkLayerAddress = oldMac;
  return { address: parsePrefix(address), interfaceName: "e0", linkLayerAddress, permanent };
}

const neighbors = [neighbor("192.0.2.1"), neighbor("192.0.2.2", true), neighbor("2001:db8::1")];

async function addresses(cache: { list(): Promise<Neighbor[]> }): Promise<string[]> {
  return (await cache.list()).map(({ address }) => formatAddress(address));
}

Deno.test("createMemoryCache().flush() removes all but permanent entries, and counts", async () => {
  const cache = createMemoryCache({ neighbors });
  assert.equal((await cache.flush("all")).removed, 2);
  assert.deepEqual(await addresses(cache), ["192.0.2.2"]);
  assert.equal((await cache.flush("all")).removed, 0);
});

Deno.test("createMemoryCache().flush() removes what the prefixes cover", async () => {
  const cache = createMemoryCache({ neighbors });
  const { removed, forgotten } = await cache.flush([parsePrefix("2001:db8::/32")]);
  assert.equal(removed, 1);
  assert.deepEqual(forgotten, [parsePrefix("2001:db8::1")]);
  assert.deepEqual(await addresses(cache), ["192.0.2.1", "192.0.2.2"]);
});

Deno.test("createMemoryCache().resolve() learns anew and reports in the given order", async () => {
  const answer = (address: { family: number }) => address.family === 4 ? newMac : null;
  const cache = createMemoryCache({ neighbors, answer });
  const asked = ["2001:db8::1", "192.0.2.2", "192.0.2.0/24", "192.0.2.1"].map(parsePrefix);
  assert.deepEqual(await cache.look(asked), [
    { state: "neighbor", cached: true, linkLayerAddress: oldMac },
    { state: "permanent", cached: true, linkLayerAddress: oldMac },
    { state: "not concerned", cached: false, linkLayerAddress: new Uint8Array(6) },
    { state: "neighbor", cached: true, linkLayerAddress: oldMac },
  ]);
  assert.deepEqual(await cache.resolve(asked), [
    { state: "no neighbor", cached: false, linkLayerAddress: new Uint8Array(6) },
    { state: "permanent", cached: true, linkLayerAddress: oldMac },
    { state: "not concerned", cached: false, linkLayerAddress: new Uint8Array(6) },
    { state: "neighbor", cached: true, linkLayerAddress: newMac },
  ]);
});

Deno.test("createSimulatedCache() holds this machine's address at another, and heals", async () => {
  const cache = createSimulatedCache(() => [
    { name: "lo", address: "127.0.0.1", cidr: "127.0.0.1/8", mac: "00:00:00:00:00:00" },
    { name: "e0", address: "192.0.2.7", cidr: "192.0.2.7/24", mac: "02:00:00:00:00:02" },
  ]);
  assert.match(cache.description, /simulated/);
  const [router] = await cache.gateways();
  assert.equal(formatAddress(router), "192.0.2.7");
  const [before] = await cache.look([router]);
  assert.equal(before.state, "neighbor");
  assert.notDeepEqual(before.linkLayerAddress, newMac);
  const [after] = await cache.resolve([router]);
  assert.deepEqual(after, { state: "neighbor", cached: true, linkLayerAddress: newMac });
});

Deno.test("createSimulatedCache() works on a machine with nothing but a loopback", async () => {
  const mac = "00:00:00:00:00:00";
  const loopback = { name: "lo", address: "127.0.0.1", cidr: "127.0.0.1/8", mac };
  const cache = createSimulatedCache(() => [loopback]);
  const router = await cache.gateways();
  assert.notDeepEqual(await cache.look(router), await cache.resolve(router));
});
