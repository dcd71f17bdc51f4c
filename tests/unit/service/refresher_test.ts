import assert from "node:assert/strict";
import {
  type FoundNeighbor,
  foundWithout,
  type NeighborCache,
  NeighborCacheError,
} from "../../../lib/neighbors/neighbor_cache.ts";
import { Refresher } from "../../../lib/service/refresher.ts";
import { formatAddress, parsePrefix } from "../../../lib/wire/addresses.ts";
import { emptyCache } from "../../support/empty_cache.ts";
import { createTestTime, settle } from "../../support/test_time.ts";
import { keepReport } from "../receiver/harness.ts";

/** What is found where a gateway answers. */
const answered: FoundNeighbor = {
  state: "neighbor",
  cached: true,
  linkLayerAddress: Uint8Array.of(2, 0, 0, 0, 0, 1),
};

function start(parts: Partial<NeighborCache> = {}) {
  const time = createTestTime();
  const kept = keepReport();
  const resolved: string[] = [];
  let failing = false;
  const cache: NeighborCache = {
    ...emptyCache,
    gateways: () => Promise.resolve(["192.0.2.1", "fe80::1"].map(parsePrefix)),
    resolve(addresses) {
      if (failing) return Promise.reject(new NeighborCacheError("ip hangs", 110));
      resolved.push(addresses.map(formatAddress).join(" "));
      return Promise.resolve(addresses.map(() => answered));
    },
    ...parts,
  };
  return {
    ...kept,
    time,
    resolved,
    fail: (on: boolean) => void (failing = on),
    refresher: new Refresher(cache, kept.report, time),
    async pass(ms: number): Promise<void> {
      for (let passed = 0; passed < ms; passed += 1_000) {
        time.pass(1_000);
        await settle();
      }
    },
  };
}

Deno.test("Refresher resolves the addresses once a period", async () => {
  const { refresher, resolved, pass } = start();
  const addresses = [parsePrefix("192.0.2.1"), parsePrefix("2001:db8::1")];
  refresher.configure({ RefreshAddresses: addresses, RefreshSeconds: 30 });
  await pass(29_000);
  assert.deepEqual(resolved, []);
  await pass(61_000);
  assert.deepEqual(resolved, Array(3).fill("192.0.2.1 2001:db8::1"));
});

Deno.test("Refresher asks for the gateways anew each time", async () => {
  let gateways = [parsePrefix("192.0.2.1")];
  const { refresher, resolved, pass } = start({ gateways: () => Promise.resolve(gateways) });
  refresher.configure({ RefreshAddresses: "gateway", RefreshSeconds: 10 });
  await pass(10_000);
  gateways = [parsePrefix("192.0.2.2")];
  await pass(10_000);
  gateways = [];
  await pass(10_000);
  assert.deepEqual(resolved, ["192.0.2.1", "192.0.2.2"]);
});

Deno.test("Refresher follows new rules and stops, leaving no timer", async () => {
  const { refresher, resolved, pass, time } = start();
  refresher.configure({ RefreshAddresses: [parsePrefix("192.0.2.1")], RefreshSeconds: 10 });
  await pass(10_000);
  refresher.configure({ RefreshAddresses: [parsePrefix("192.0.2.2")], RefreshSeconds: 20 });
  await pass(20_000);
  assert.deepEqual(resolved, ["192.0.2.1", "192.0.2.2"]);
  refresher.configure({ RefreshAddresses: "none", RefreshSeconds: 20 });
  assert.equal(time.timers, 0);
  refresher.configure({ RefreshAddresses: "gateway", RefreshSeconds: 20 });
  refresher.stop();
  assert.equal(time.timers, 0);
});

Deno.test("Refresher stopped during a resolution starts no other, and says nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<FoundNeighbor[]>();
  let count = 0;
  const { refresher, pass, time, said } = start({ resolve: () => (count++, promise) });
  refresher.configure({ RefreshAddresses: [parsePrefix("192.0.2.1")], RefreshSeconds: 1 });
  await pass(1_000);
  assert.equal(count, 1);
  refresher.stop();
  resolve([foundWithout("no neighbor")]);
  await pass(10_000);
  assert.deepEqual([count, said], [1, []]);
  assert.equal(time.timers, 0);
});

Deno.test("Refresher says once that it fails and once that it works again", async () => {
  const { refresher, pass, said, fail } = start();
  refresher.configure({ RefreshAddresses: [parsePrefix("192.0.2.1")], RefreshSeconds: 1 });
  fail(true);
  await pass(5_000);
  fail(false);
  await pass(5_000);
  assert.deepEqual(said, [
    { event: "refreshFailed", values: { addresses: "192.0.2.1", error: "ip hangs" } },
    { event: "refreshWorks", values: { addresses: "192.0.2.1" } },
  ]);
});

/** What can't be refreshed though nothing fails, and what is said. */
const found = (first: FoundNeighbor, second = first): Partial<NeighborCache> => ({
  resolve: () => Promise.resolve([first, second]),
});
const lost: [what: string, Partial<NeighborCache>, error: string][] = [
  ["no gateway", { gateways: () => Promise.resolve([]) }, "this host has no default gateway"],
  [
    "gateways on none of its links",
    found(foundWithout("not concerned")),
    "on none of this host's links: 192.0.2.1, fe80::1",
  ],
  [
    "a gateway that doesn't answer",
    found(foundWithout("no neighbor"), answered),
    "nobody answers for: 192.0.2.1",
  ],
  [
    "a permanent entry and one that can't be read",
    found({ ...answered, state: "permanent" }, foundWithout("unknown")),
    "set by hand or by a routing program, so left alone: 192.0.2.1; cannot be looked at: fe80::1",
  ],
];
for (const [what, parts, error] of lost) {
  Deno.test(`Refresher says once that a host has ${what}`, async () => {
    const { refresher, pass, said } = start(parts);
    refresher.configure({ RefreshAddresses: "gateway", RefreshSeconds: 1 });
    await pass(3_000);
    assert.deepEqual(said, [{ event: "refreshFailed", values: { addresses: "gateway", error } }]);
  });
}

Deno.test("Refresher says at once that a refresh takes long, and that it works when one is in time", async () => {
  let open = Promise.withResolvers<FoundNeighbor[]>();
  const { refresher, pass, said } = start({ resolve: () => open.promise });
  refresher.configure({ RefreshAddresses: [parsePrefix("192.0.2.1")], RefreshSeconds: 1 });
  const values = { addresses: "192.0.2.1", error: "not done after 2 s; is this host busy?" };
  const late = { event: "refreshFailed", values };
  await pass(3_000);
  assert.deepEqual(said, [late]);
  for (let late = 0; late < 3; late++) {
    open.resolve([answered]);
    open = Promise.withResolvers();
    await pass(4_000);
  }
  assert.deepEqual(said, [late]);
  open.resolve([answered]);
  await pass(2_000);
  assert.deepEqual(said, [late, { event: "refreshWorks", values: { addresses: "192.0.2.1" } }]);
});

Deno.test("Refresher says each reason once while none of the refreshes works", async () => {
  let times = 0;
  const { refresher, pass, said } = start({
    resolve: () => Promise.reject(new NeighborCacheError(`reason ${times++ % 2}`)),
  });
  refresher.configure({ RefreshAddresses: [parsePrefix("192.0.2.1")], RefreshSeconds: 1 });
  await pass(9_000);
  assert.deepEqual(said.map(({ values }) => values?.error), ["reason 0", "reason 1"]);
});
