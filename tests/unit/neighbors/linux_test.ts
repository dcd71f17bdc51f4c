/** The Linux cache where the kernel's own table can't be had: at exact times, with odd output. */
import assert from "node:assert/strict";
import type { IpCommand } from "../../../lib/neighbors/iproute2.ts";
import { createLinuxCache } from "../../../lib/neighbors/linux.ts";
import type { NeighborCache } from "../../../lib/neighbors/neighbor_cache.ts";
import { sleep } from "../../../lib/time.ts";
import {
  formatAddress,
  formatLinkLayerAddress,
  type InterfaceInfo,
  parsePrefix,
} from "../../../lib/wire/addresses.ts";
import { createTestTime } from "../../support/test_time.ts";
import { createIpDouble, type IpDouble, type Row } from "./ip_double.ts";

const mac = "02:00:00:00:00:01";
const deadMac = "02:00:00:00:00:99";

/** Lines of `Deno.networkInterfaces()`. */
function interfaceLines(...held: [name: string, cidr: string][]) {
  return held.map(([name, cidr]) => ({ name, address: cidr.split("/")[0], cidr, mac }));
}

const host = interfaceLines(["e0", "192.0.2.5/24"], ["e1", "2001:db8::5/64"]);
const stale = (dst: string, dev: string): Row => ({ dst, dev, lladdr: deadMac, state: ["STALE"] });

/** What a cache gets in the place of the double's. */
interface Given {
  readonly ip?: IpCommand;
  readonly interfaces?: readonly InterfaceInfo[];
}

/** A cache over a table in memory, and what it does in a time that passes by itself. */
function createCache(double: IpDouble, { ip = double.ip, interfaces = host }: Given = {}) {
  const time = createTestTime();
  const start = time.monotonic();
  const cache = createLinuxCache({ ip, interfaces: () => interfaces, time });
  const ms = () => time.monotonic() - start;
  return {
    ...{ cache, time, ms },
    /** The states of what is found, with link-layer addresses other than zero. */
    async states(method: "look" | "resolve", addresses: readonly string[], source?: string) {
      const from = source === undefined ? undefined : parsePrefix(source);
      const found = await time.until(cache[method](addresses.map(parsePrefix), from));
      return found.map(({ state, linkLayerAddress }) =>
        linkLayerAddress.some(Boolean)
          ? `${state} ${formatLinkLayerAddress(linkLayerAddress)}`
          : state
      );
    },
    /** The addresses, or with interface, that were asked for. */
    asked: () =>
      double.commands.filter((command) => command.startsWith("neigh add"))
        .map((command) => command.split(" ")),
    /** Has somebody answer for an address at a time in ms. */
    answer: (ms: number, dst: string, dev: string) =>
      void time.after(ms, () => double.set({ dst, dev, lladdr: mac, state: ["REACHABLE"] })),
  };
}

Deno.test("createLinuxCache().resolve() asks for all addresses at once, and for each once", async () => {
  const { states, answer, asked, ms } = createCache(createIpDouble());
  answer(10, "192.0.2.1", "e0");
  answer(30, "2001:db8::1", "e1");
  const found = await states("resolve", ["192.0.2.1", "2001:db8::1", "192.0.2.1"]);
  assert.deepEqual(found, Array(3).fill(`neighbor ${mac}`));
  assert.deepEqual(asked().map(([, , dst]) => dst), ["192.0.2.1", "2001:db8::1"]);
  assert.equal(ms(), 30);
});

Deno.test("createLinuxCache().resolve() asks at 0, 0.3 and 0.6 s, and gives up after 1 s, not before", async () => {
  const double = createIpDouble();
  const { states, ms } = createCache(double);
  const askedAt: number[] = [];
  double.before = (command) => {
    if (command.startsWith("neigh add")) askedAt.push(ms());
  };
  assert.deepEqual(await states("resolve", ["192.0.2.1"]), ["no neighbor"]);
  assert.equal(ms(), 1_000);
  assert.equal(askedAt.length, 3);
  for (const [i, at] of [0, 300, 600].entries()) {
    assert.ok(askedAt[i] >= at && askedAt[i] <= at + 160, `asked at ${askedAt}`);
  }
});

Deno.test("createLinuxCache().resolve() ends when the kernel has given up", async () => {
  const double = createIpDouble();
  const { states, time, ms } = createCache(double);
  time.after(70, () => double.set({ dst: "192.0.2.1", dev: "e0", state: ["FAILED"] }));
  assert.deepEqual(await states("resolve", ["192.0.2.1"]), ["no neighbor"]);
  assert.equal(ms(), 70);
});

Deno.test("createLinuxCache().resolve() tells each as it was when it was settled", async () => {
  const double = createIpDouble();
  double.route = (dst) => dst === "10.0.0.1" ? null : { dev: "e0" };
  const { cache, time, ms, answer } = createCache(double);
  answer(10, "192.0.2.1", "e0");
  time.after(50, () => double.remove("192.0.2.1", "e0"));
  const told: [number, string, number][] = [];
  const addresses = ["192.0.2.1", "192.0.2.2", "10.0.0.1"].map(parsePrefix);
  const resolving = cache.resolve(addresses, undefined, (i, { state }) => {
    told.push([i, state, ms()]);
  });
  const found = await time.until(resolving);
  assert.deepEqual(told, [
    [2, "not concerned", 0],
    [0, "neighbor", 10],
    [1, "no neighbor", 1000],
  ]);
  assert.deepEqual(found.map(({ state, cached }) => [state, cached]), [
    ["neighbor", true],
    ["no neighbor", false],
    ["not concerned", false],
  ]);
});

Deno.test("createLinuxCache() calls a link-layer address that isn't 6 bytes unknown, and forgets it", async () => {
  const infiniband = Array(20).fill("02").join(":");
  const row = { dst: "192.0.2.1", dev: "e0", lladdr: infiniband, state: ["REACHABLE"] };
  const double = createIpDouble(row);
  const { cache, time } = createCache(double);
  const addresses = [parsePrefix("192.0.2.1")];
  time.after(10, () => double.set(row));
  for (const found of [await cache.look(addresses), await time.until(cache.resolve(addresses))]) {
    assert.deepEqual(found.map(({ state, cached }) => [state, cached]), [["unknown", true]]);
  }
  assert.deepEqual((await cache.flush(addresses)).forgotten, addresses);
});

Deno.test("createLinuxCache().flush() names what it removed that had a link-layer address", async () => {
  const set = { ...stale("192.0.2.4", "e0"), extern_learn: null };
  for (const rows of [[], [set]]) {
    const double = createIpDouble(
      stale("192.0.2.1", "e0"),
      stale("198.51.100.1", "e0"),
      { dst: "192.0.2.2", dev: "e0", state: ["INCOMPLETE"] },
      { ...stale("192.0.2.3", "e0"), state: ["PERMANENT"] },
      ...rows,
    );
    const { forgotten } = await createCache(double).cache.flush([parsePrefix("192.0.2.0/24")]);
    assert.deepEqual(forgotten, [parsePrefix("192.0.2.1")]);
  }
});

Deno.test("createLinuxCache().resolve() takes an entry that traffic makes before it asks", async () => {
  const double = createIpDouble();
  const { states, asked, answer, ms } = createCache(double);
  double.before = (command) => {
    if (!command.startsWith("neigh add 192.0.2.1 ")) return;
    double.set({ dst: "192.0.2.1", dev: "e0", lladdr: mac, state: ["REACHABLE"] });
  };
  answer(20, "2001:db8::1", "e1");
  const found = await states("resolve", ["192.0.2.1", "2001:db8::1"]);
  assert.deepEqual(found, [`neighbor ${mac}`, `neighbor ${mac}`]);
  // The first was there when it was asked for, which ends the run of ip.
  assert.deepEqual(asked().map(([, , dst]) => dst), ["192.0.2.1", "2001:db8::1"]);
  assert.equal(ms(), 30);
});

Deno.test("createLinuxCache().resolve() takes an entry without a state as one that is not there", async () => {
  const { states, answer } = createCache(createIpDouble({ dst: "192.0.2.1", dev: "e0" }));
  answer(10, "192.0.2.1", "e0");
  assert.deepEqual(await states("resolve", ["192.0.2.1"]), [`neighbor ${mac}`]);
});

Deno.test("createLinuxCache().resolve() passes on what ip complains of, but an existing entry", async () => {
  const double = createIpDouble();
  double.before = (command) =>
    command.startsWith("neigh add") ? "RTNETLINK answers: No buffer space available" : undefined;
  const resolving = createCache(double).states("resolve", ["192.0.2.1"]);
  await assert.rejects(resolving, { name: "NeighborCacheError", code: 105 });
});

Deno.test("createLinuxCache() gives ip names that -batch would misread as arguments", async () => {
  for (const name of ["a#b", 'a"b', "a'b", "a\\b", "é"]) {
    const double = createIpDouble(stale("192.0.2.1", name));
    double.route = () => ({ dev: name });
    const inputs: string[] = [];
    const ip: IpCommand = (args, input, next) => {
      inputs.push(input);
      return double.ip(args, input, next);
    };
    const interfaces = interfaceLines([name, "fe80::5/64"]);
    const { states, answer, asked } = createCache(double, { ip, interfaces });
    const addresses = ["192.0.2.1", "fe80::1"];
    for (const address of addresses) answer(10, address, name);
    const found = await states("resolve", addresses);
    assert.deepEqual(found, [`neighbor ${mac}`, `neighbor ${mac}`], name);
    assert.deepEqual(
      asked().map(([, , dst]) => dst),
      addresses,
      "the old entry was taken for an answer",
    );
    assert.equal(inputs.some((input) => input.includes(name)), false);
  }
});

Deno.test("createLinuxCache() deletes entries of such an interface once each, though traffic makes them anew", async () => {
  const name = "a#b";
  const double = createIpDouble(stale("192.0.2.1", name), stale("192.0.2.2", name));
  double.route = () => ({ dev: name });
  const { states, cache } = createCache(double, {
    async ip(args, input, next) {
      const result = await double.ip(args, input, next);
      const [, what, dst] = args;
      if (what === "del") double.set({ dst, dev: name, lladdr: mac, state: ["REACHABLE"] });
      return result;
    },
  });
  assert.deepEqual(await states("resolve", ["192.0.2.1"]), [`neighbor ${mac}`]);
  const flushed = await cache.flush(["192.0.2.1", "192.0.2.2"].map(parsePrefix));
  assert.equal(flushed.removed, 2);
  const deleted = double.commands.filter((command) => command.startsWith("neigh del 192.0.2"));
  assert.equal(deleted.length, 3);
});

for (const ipMs of [20, 200, 400, 900, 1_500, 2_500]) {
  Deno.test(`createLinuxCache().resolve() gives a host time to answer where ip takes ${ipMs} ms`, async () => {
    for (const answerAfterMs of [1, 50, 250]) {
      const double = createIpDouble();
      const { states, time, answer } = createCache(double, {
        async ip(args, input, next) {
          await sleep(time.after, ipMs / 2);
          const result = await double.ip(args, input, next);
          await sleep(time.after, ipMs / 2);
          return result;
        },
      });
      double.before = (command) => {
        const [, what, dst, , dev] = command.split(" ");
        if (what === "add") answer(answerAfterMs, dst, dev);
      };
      const found = await states("resolve", ["192.0.2.1"]);
      assert.deepEqual(found, [`neighbor ${mac}`], `after ${answerAfterMs} ms`);
    }
  });
}

Deno.test("createLinuxCache().resolve() says so where flushes take away each entry before it is answered", async () => {
  const double = createIpDouble();
  const ip: IpCommand = (args, input, next) => {
    double.rows = [];
    return double.ip(args, input, next);
  };
  const resolving = createCache(double, { ip }).states("resolve", ["192.0.2.1"]);
  await assert.rejects(resolving, { name: "NeighborCacheError", code: 110 });
});

Deno.test("createLinuxCache() doesn't run ip for addresses that are not looked at", async () => {
  const ip = () => assert.fail("it runs");
  for (const interfaces of [[], host]) {
    const { states } = createCache(createIpDouble(), { ip, interfaces });
    const found = await states("resolve", ["fe80::1", "192.0.2.0/24"]);
    assert.deepEqual(found, ["not concerned", "not concerned"]);
  }
});

Deno.test("createLinuxCache() rejects with a NeighborCacheError if interfaces can't be listed", async () => {
  const interfaces = () => {
    throw new Deno.errors.NotCapable("Requires sys access");
  };
  const { ip } = createIpDouble();
  const message = "Cannot list the network interfaces: Requires sys access";
  await assert.rejects(
    createLinuxCache({ ip, interfaces }).look([parsePrefix("192.0.2.1")]),
    { name: "NeighborCacheError", message },
  );
});

Deno.test("createLinuxCache().flush() deletes single addresses by one reading of the table", async () => {
  const gone = stale("192.0.2.3", "e0");
  const double = createIpDouble(stale("192.0.2.1", "e0"), stale("192.0.2.1", "e1"), gone);
  double.before = (command) => {
    if (command.startsWith("neigh del 192.0.2.3")) double.remove(gone.dst, gone.dev);
  };
  const listed = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(parsePrefix);
  const { removed } = await createCache(double).cache.flush(listed);
  assert.deepEqual([removed, double.rows], [2, []]);
  assert.equal(double.commands.filter((command) => command.startsWith("neigh show")).length, 2);
});

/** What a flush that stops half-way says, and whether the rest is deleted one by one. */
const stops: [complaint: string, code: number | null][] = [
  ["Failed to send flush request: No such file or directory", null],
  ["Failed to send flush request: No such device", null],
  ["Failed to send flush request: Operation not permitted", 1],
  ["RTNETLINK answers: No such device", 19],
];
for (const [complaint, code] of stops) {
  Deno.test(`createLinuxCache().flush() ${code === null ? "goes on one by one" : "fails"} after "${complaint}"`, async () => {
    const double = createIpDouble(
      stale("192.0.2.1", "e0"),
      stale("192.0.2.2", "a#b"),
      stale("192.0.2.3", "e0"),
      { ...stale("192.0.2.4", "e0"), state: ["PERMANENT"] },
    );
    double.before = (command) => {
      if (command.startsWith("neigh flush")) return complaint;
      // Gone between the listing and its deletion.
      if (command === "neigh del 192.0.2.1 dev e0") double.remove("192.0.2.1", "e0");
    };
    const flushing = createCache(double).cache.flush("all");
    if (code !== null) return await assert.rejects(flushing, { name: "NeighborCacheError", code });
    assert.equal((await flushing).removed, 2);
    assert.deepEqual(double.rows.map(({ dst }) => dst), ["192.0.2.4"]);
  });
}

/** A cache over an `ip` that prints always the same. */
function cachePrinting(stdout: string): NeighborCache {
  const ip: IpCommand = (_args, _input, next) => {
    next?.(stdout.split("\n", 1)[0]);
    return Promise.resolve({ code: 0, stdout, stderr: "" });
  };
  return createLinuxCache({ ip });
}

const done = "\n*** Round 1, deleting 1 entries ***\n*** Flush is complete after 1 round ***\n";
const unreadable = { name: "NeighborCacheError", code: 5 };

for (const [what, flushes] of [["no", ""], ["too few", done], ["too many", done.repeat(3)]]) {
  Deno.test(`createLinuxCache().flush() rejects ${what} flushes`, async () => {
    const scope = ["192.0.2.0/25", "192.0.2.128/25"].map(parsePrefix);
    await assert.rejects(cachePrinting(`[]\n${flushes}`).flush(scope), unreadable);
  });
}

Deno.test("createLinuxCache().list() rejects two tables", async () => {
  await assert.rejects(cachePrinting("[]\n[]\n").list(), unreadable);
});

/** What a route to 203.0.113.1 says, and where that is looked for. */
const routes: [what: string, route: Record<string, unknown> | null, device: string | null][] = [
  ["by a network on the link", { dev: "e0" }, "e0"],
  ["by a route that is onlink", { gateway: "203.0.113.1", dev: "e0" }, "e0"],
  ["by a gateway", { gateway: "192.0.2.1", dev: "e0" }, null],
  ["through a tunnel", { dev: "tun0" }, null],
  ["by an IPv6 gateway", { via: { family: "inet6", host: "fe80::1" }, dev: "e0" }, null],
  ["to the host itself", { type: "local", dev: "lo" }, null],
  ["that isn't there", null, null],
];
for (const [what, route, device] of routes) {
  Deno.test(`createLinuxCache().look() finds an address with a route ${what}`, async () => {
    const double = createIpDouble(stale("203.0.113.1", "e0"));
    double.route = () => route;
    const [tunnel] = interfaceLines(["tun0", "10.8.0.2/24"]);
    const interfaces = [...host, { ...tunnel, mac: "00:00:00:00:00:00" }];
    const found = await createCache(double, { interfaces }).states("look", ["203.0.113.1"]);
    assert.deepEqual(found, [device === null ? "not concerned" : `neighbor ${deadMac}`]);
  });
}

/** Routes of table 100 where main has none, an address, and the interface that it is looked for on. */
const tables: [routes: Record<string, unknown>[], address: string, device: string | null][] = [
  [[{ dst: "203.0.113.0/24", dev: "e1" }], "203.0.113.1", "e1"],
  [[{ dst: "default", gateway: "203.0.113.1", dev: "e1" }], "203.0.113.1", "e1"],
  [[{ dst: "default", nexthops: [{ gateway: "203.0.113.1", dev: "e1" }] }], "203.0.113.1", "e1"],
  [[{ dst: "10.0.0.0/8", via: { host: "2001:db8::7" }, dev: "e0" }], "2001:db8::7", "e0"],
  [[{ dst: "default", gateway: "203.0.113.2", dev: "e1" }], "203.0.113.1", null],
  [
    [{ dst: "203.0.113.0/24", dev: "e1" }, { dst: "203.0.113.1", gateway: "10.0.0.1", dev: "e1" }],
    ...["203.0.113.1", null] as const,
  ],
  [[{ dst: "203.0.113.0/24", dev: "e1", type: "unreachable" }], "203.0.113.1", null],
  [[{ dst: "203.0.113.0/24", dev: "e1", gateway: "router" }], "203.0.113.1", null],
  [[{ dst: "203.0.113.0/24", dev: "e1", table: undefined }], "203.0.113.1", null],
  [[{ dst: "192.0.2.0/24", dev: "e1" }], "192.0.2.5", null],
];
for (const [routes, address, device] of tables) {
  Deno.test(`createLinuxCache().look() finds ${address} by ${JSON.stringify(routes)} of a table on ${device}`, async () => {
    const double = createIpDouble(...["e0", "e1"].map((dev) => stale(address, dev)));
    if (device !== null) double.rows = double.rows.filter(({ dev }) => dev === device);
    double.route = () => null;
    double.tables = routes.map((route) => ({ table: "100", ...route }));
    const found = await createCache(double).states("look", [address]);
    assert.deepEqual(found, [device === null ? "not concerned" : `neighbor ${deadMac}`]);
  });
}

Deno.test("createLinuxCache() says of addresses on a link what is so where other tables can't be read", async () => {
  const double = createIpDouble(stale("192.0.2.1", "e0"));
  double.route = (address) => address === "192.0.2.1" ? { dev: "e0" } : null;
  let readings = 0;
  double.before = (command) => {
    if (command === "route show table all" && ++readings <= 2) return "Dump terminated";
  };
  const { states, time } = createCache(double);
  const addresses = ["192.0.2.1", "203.0.113.1"];
  assert.deepEqual(await states("look", addresses), [`neighbor ${deadMac}`, "unknown"]);
  assert.deepEqual(await states("resolve", addresses), ["no neighbor", "unknown"]);
  for (let i = 0; i < 9; i++) {
    const [, state] = await states("look", addresses);
    assert.equal(state, "not concerned");
  }
  assert.equal(readings, 3, "one more reading for all requests of a failover");
  time.pass(1_000);
  await states("look", addresses);
  assert.equal(readings, 4);
});

Deno.test("createLinuxCache().look() tells a permanent entry of several", async () => {
  const double = createIpDouble(
    stale("203.0.113.1", "e0"),
    { ...stale("203.0.113.1", "e1"), state: ["PERMANENT"] },
  );
  double.route = () => null;
  double.tables = ["e0", "e1"].map((dev, i) => ({ dst: "203.0.113.0/24", dev, table: `${i}` }));
  const found = await createCache(double).states("look", ["203.0.113.1"]);
  assert.deepEqual(found, [`permanent ${deadMac}`]);
});

/** Where a link-local address is looked for, by the source of the request. */
const near: [address: string, source: string | undefined, devices: string[]][] = [
  ["fe80::1", undefined, ["e0", "e1"]],
  ["fe80::1", "198.51.100.1", ["e1"]],
  ["fe80::1", "192.0.2.1", ["e0"]],
  ["fe80::1", "203.0.113.99", ["e0", "e1"]],
  ["fe80::5", "192.0.2.1", []],
];
for (const [address, source, devices] of near) {
  Deno.test(`createLinuxCache().resolve() looks for ${address} of ${source} on ${devices}`, async () => {
    const interfaces = interfaceLines(
      ["e0", "192.0.2.5/24"],
      ["e0", "fe80::5/64"],
      ["e1", "198.51.100.5/24"],
      ["e1", "fe80::6/64"],
    );
    const { states, asked } = createCache(createIpDouble(), { interfaces });
    await states("resolve", [address], source);
    assert.deepEqual([...new Set(asked().map(([, , , , dev]) => dev))], devices);
  });
}

Deno.test("createLinuxCache().gateways() are those of default routes in any table, in any form", async () => {
  // As iproute2 6.1 prints them, and what can't be read, which is left out.
  const routes = [
    { dst: "default", gateway: "192.0.2.1", dev: "e0", flags: [] },
    { dst: "default", gateway: "192.0.2.1", dev: "e1", metric: 100, flags: [] },
    { dst: "default", nexthops: [{ gateway: "192.0.2.1" }, { gateway: "fe80::1", dev: "e0" }] },
    { dst: "default", via: { family: "inet6", host: "2001:db8::2" }, dev: "e0", flags: [] },
    { dst: "default", dev: "ppp0", scope: "link", flags: [] },
    { dst: "0.0.0.0/1", gateway: "192.0.2.2", table: "7" },
    { dst: "10.0.0.0/8", gateway: "192.0.2.3" },
    ...["default", null, { dst: "default", gateway: 1 }, { dst: "default", gateway: "router" }],
    ...[{ dst: "default", nexthops: {} }, { dst: "default", nexthops: ["192.0.2.4"] }],
    { dst: "default", via: "inet6 2001:db8::3" },
  ];
  const cache = cachePrinting(JSON.stringify(routes));
  const gateways = (await cache.gateways()).map(formatAddress);
  assert.deepEqual(gateways, ["192.0.2.1", "fe80::1", "2001:db8::2", "192.0.2.2"]);
  assert.deepEqual((await cache.nextHops()).map(formatAddress), [...gateways, "192.0.2.3"]);
});
