import assert from "node:assert/strict";
import { type FoundNeighbor, NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { openWindowsNeighborCache } from "../../../lib/neighbors/windows.ts";
import { formatPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { createIpHelperDouble, own, route, row } from "./ip_helper_double.ts";

const permanent = 6;

function texts(reports: readonly FoundNeighbor[]): string[] {
  return reports.map(({ state, linkLayerAddress }) => `${state} ${linkLayerAddress.toHex()}`);
}

const nothing = "000000000000";

Deno.test("resolve() asks the link anew and reports in the order asked", async () => {
  const double = createIpHelperDouble();
  double.rows = [row("192.0.2.1", 12, "02:00:00:00:00:aa")];
  double.answers.set("192.0.2.1", "02:00:00:00:00:bb").set("2001:db8::1", "02:00:00:00:00:cc");
  const addresses = ["2001:db8::1", "192.0.2.7", "192.0.2.1"].map(parsePrefix);
  const reports = await openWindowsNeighborCache({ ip: double }).resolve(addresses);
  assert.deepEqual(texts(reports), [
    "neighbor 0200000000cc",
    `no neighbor ${nothing}`,
    "neighbor 0200000000bb",
  ]);
});

Deno.test("resolve() looks at nothing off the links, no prefix and none of the host's own", async () => {
  const double = createIpHelperDouble();
  const addresses = ["198.51.100.1", "192.0.2.0/24", "192.0.2.5", "127.0.0.2", "2001:db8:1::1"]
    .map(parsePrefix);
  double.addresses.push(own("127.0.0.1/8", 1));
  const cache = openWindowsNeighborCache({ ip: double });
  assert.deepEqual(
    texts(await cache.resolve(addresses)),
    Array(5).fill(`not concerned ${nothing}`),
  );
  assert.deepEqual(texts(await cache.look(addresses)), Array(5).fill(`not concerned ${nothing}`));
  assert.ok(!double.calls.some((call) => call.startsWith("resolve")));
});

Deno.test("resolve() reports a permanent row and never resolves it", async () => {
  const double = createIpHelperDouble();
  double.rows = [row("192.0.2.9", 12, "02:00:00:00:00:09", permanent)];
  const cache = openWindowsNeighborCache({ ip: double });
  const reports = await cache.resolve([parsePrefix("192.0.2.9")]);
  assert.deepEqual(texts(reports), ["permanent 020000000009"]);
  assert.ok(!double.calls.some((call) => call.startsWith("resolve")));
});

Deno.test("resolve() takes the codes of silence as no neighbor and of a lost interface as not concerned", async () => {
  for (
    const [code, state] of [
      [67, "no neighbor"],
      [1231, "no neighbor"],
      [1232, "no neighbor"],
      [2, "not concerned"],
      [1168, "not concerned"],
    ] as const
  ) {
    const double = createIpHelperDouble();
    double.faults.set("resolveIpNetEntry2", code);
    const cache = openWindowsNeighborCache({ ip: double });
    assert.deepEqual(texts(await cache.resolve([parsePrefix("192.0.2.1")])), [
      `${state} ${nothing}`,
    ]);
  }
});

Deno.test("resolve() rejects with the number of any other error, a missing export's too", async () => {
  for (
    const call of [
      "resolveIpNetEntry2",
      "getIpNetTable2",
      "getUnicastIpAddressTable",
      "getIpForwardTable2",
    ]
  ) {
    for (const code of [5, 8, 31, 50, 87, 127]) {
      const double = createIpHelperDouble();
      double.faults.set(call, code);
      const cache = openWindowsNeighborCache({ ip: double });
      await assert.rejects(
        cache.resolve([parsePrefix("192.0.2.1")]),
        (error) => error instanceof NeighborCacheError && error.code === code,
      );
    }
  }
});

Deno.test("resolve() ends at its bound, and one question an address is under way", async () => {
  const double = createIpHelperDouble();
  const hanging = Promise.withResolvers<{ code: number; row: null }>();
  let asked = 0;
  double.resolveIpNetEntry2 = () => {
    asked++;
    return hanging.promise;
  };
  const cache = openWindowsNeighborCache({ ip: double, resolveMillis: 20 });
  const address = parsePrefix("192.0.2.1");
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(texts(await cache.resolve([address])), [`no neighbor ${nothing}`]);
  }
  assert.equal(asked, 1);
  hanging.resolve({ code: 67, row: null });
  await cache.resolve([address]);
  assert.equal(asked, 1, "the answer that was under way is the answer");
  await cache.resolve([address]);
  assert.equal(asked, 2);
});

Deno.test("resolve() takes the longest network, then the source's link, then the route's", async () => {
  const double = createIpHelperDouble();
  double.addresses = [
    own("192.0.2.5/24", 11),
    own("192.0.2.6/25", 13),
    own("fe80::b/64", 11),
    own("fe80::c/64", 12),
    own("fe80::d/64", 13),
    own("2001:db8:d::5/64", 13),
  ];
  double.routes = [route(0, "fe80::1", 11)];
  const cache = openWindowsNeighborCache({ ip: double });
  async function chosen(address: string, source?: string): Promise<string | undefined> {
    double.calls.length = 0;
    await cache.resolve(
      [parsePrefix(address)],
      source === undefined ? undefined : parsePrefix(source),
    );
    return double.calls.find((call) => call.startsWith("resolve"));
  }
  assert.equal(await chosen("192.0.2.1"), "resolveIpNetEntry2 13");
  assert.equal(await chosen("192.0.2.200"), "resolveIpNetEntry2 11");
  assert.equal(await chosen("fe80::1", "2001:db8:d::9"), "resolveIpNetEntry2 13");
  assert.equal(await chosen("fe80::1"), "resolveIpNetEntry2 11", "the gateway's own link");
  assert.equal(await chosen("fe80::2"), "resolveIpNetEntry2 12", "GetBestInterfaceEx");
  double.faults.set("getBestInterfaceEx", 87);
  assert.equal(await chosen("fe80::2"), "resolveIpNetEntry2 11");
});

Deno.test("look() reports the table as it is and changes nothing", async () => {
  const double = createIpHelperDouble();
  double.rows = [
    row("192.0.2.1", 12, "02:00:00:00:00:aa"),
    row("192.0.2.9", 12, "02:00:00:00:00:09", permanent),
  ];
  const before = structuredClone(double.rows);
  const addresses = ["192.0.2.1", "192.0.2.9", "192.0.2.7"].map(parsePrefix);
  const reports = await openWindowsNeighborCache({ ip: double }).look(addresses);
  assert.deepEqual(texts(reports), [
    "neighbor 0200000000aa",
    "permanent 020000000009",
    `no neighbor ${nothing}`,
  ]);
  assert.deepEqual(double.rows, before);
});

Deno.test("look() calls a link-layer address that isn't 6 bytes unknown, and in the cache", async () => {
  const double = createIpHelperDouble();
  const infiniband = { ...row("192.0.2.1", 12), physicalAddress: new Uint8Array(20).fill(2) };
  const none = { ...row("192.0.2.2", 12), physicalAddress: new Uint8Array(20) };
  double.rows = [infiniband, none];
  const found = await openWindowsNeighborCache({ ip: double })
    .look(["192.0.2.1", "192.0.2.2"].map(parsePrefix));
  assert.deepEqual(found.map(({ state, cached }) => [state, cached]), [
    ["unknown", true],
    ["no neighbor", false],
  ]);
});

Deno.test("resolve() tells each as soon as it has ended", async () => {
  const double = createIpHelperDouble();
  const addresses = ["10.0.0.1", "192.0.2.1"].map(parsePrefix);
  const cache = openWindowsNeighborCache({ ip: double });
  const told: string[] = [];
  await cache.resolve(addresses, undefined, (i, { state }) => void told.push(`${i} ${state}`));
  assert.deepEqual(told.sort(), ["0 not concerned", "1 no neighbor"]);
});

Deno.test("gateways() are the default routes' next hops, each once", async () => {
  const double = createIpHelperDouble();
  double.routes = [
    route(0, "192.0.2.1", 12),
    route(0, "192.0.2.1", 13),
    route(0, "fe80::1", 12),
    route(0, "0.0.0.0", 12),
    route(24, "192.0.2.2", 12),
  ];
  const cache = openWindowsNeighborCache({ ip: double });
  assert.deepEqual((await cache.gateways()).map(formatPrefix), ["192.0.2.1", "fe80::1"]);
  const hops = (await cache.nextHops()).map(formatPrefix);
  assert.ok(hops.includes("192.0.2.1") && hops.includes("fe80::1"));
  assert.equal(new Set(hops).size, hops.length);
  double.routes = [];
  assert.deepEqual(await cache.gateways(), []);
});

Deno.test("openWindowsNeighborCache() rejects only with NeighborCacheError, whatever is thrown", async () => {
  const double = createIpHelperDouble();
  double.getIpNetTable2 = () => {
    throw new RangeError("A table of 8 bytes cannot hold 1 rows");
  };
  const cache = openWindowsNeighborCache({ ip: double });
  await assert.rejects(cache.list(), NeighborCacheError);
  await assert.rejects(cache.flush("all"), NeighborCacheError);
});
