import assert from "node:assert/strict";
import { createSimulatedCache } from "../../../lib/neighbors/memory.ts";
import { formatAddress, formatLinkLayerAddress, parsePrefix } from "../../../lib/wire/addresses.ts";

const mac = "02:00:00:00:00:02";
const loopback = {
  name: "lo",
  address: "127.0.0.1",
  cidr: "127.0.0.1/8",
  mac: "00:00:00:00:00:00",
};
const link = { name: "e0", address: "192.0.2.7", cidr: "192.0.2.7/24", mac };

Deno.test("createSimulatedCache() holds this machine's address at another, and heals", async () => {
  const cache = createSimulatedCache(() => [loopback, link]);
  assert.match(cache.description, /simulated/);
  const [router] = await cache.gateways();
  assert.equal(formatAddress(router), "192.0.2.7");
  const asked = [router, ...["192.0.2.0/24", "192.0.2.9"].map(parsePrefix)];
  const states = async (method: "look" | "resolve") =>
    (await cache[method](asked)).map(({ state, linkLayerAddress }) =>
      state === "neighbor" ? formatLinkLayerAddress(linkLayerAddress) : state
    );
  const rest = ["not concerned", "no neighbor"];
  assert.deepEqual(await states("look"), ["00:00:5e:00:53:01", ...rest]);
  assert.deepEqual(await states("resolve"), [mac, ...rest]);
  assert.deepEqual(await states("look"), [mac, ...rest]);
});

Deno.test("createSimulatedCache().flush() removes what is covered, and counts", async () => {
  for (const scope of ["all", ["192.0.2.0/24"], ["2001:db8::/32", "192.0.2.7"]] as const) {
    const cache = createSimulatedCache(() => [loopback, link]);
    assert.equal((await cache.flush([parsePrefix("198.51.100.0/24")])).removed, 0);
    assert.equal((await cache.list()).length, 1);
    const prefixes = scope === "all" ? scope : scope.map(parsePrefix);
    const { removed, forgotten } = await cache.flush(prefixes);
    assert.deepEqual([removed, forgotten.map(formatAddress)], [1, ["192.0.2.7"]]);
    assert.deepEqual(await cache.list(), []);
    assert.equal((await cache.flush("all")).removed, 0);
  }
});

Deno.test("createSimulatedCache() works on a machine with nothing but a loopback", async () => {
  const cache = createSimulatedCache(() => [loopback]);
  const router = await cache.gateways();
  assert.equal((await cache.look(router))[0].state, "neighbor");
  assert.equal((await cache.resolve(router))[0].state, "no neighbor");
});
