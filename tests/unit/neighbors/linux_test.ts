import assert from "node:assert/strict";
import type { IpCommand } from "../../../lib/neighbors/iproute2.ts";
import { createLinuxCache } from "../../../lib/neighbors/linux.ts";
import { NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatLinkLayerAddress,
  parsePrefix,
} from "../../../lib/wire/addresses.ts";
import { sleep } from "../../../lib/time.ts";
import { createTestTime } from "../../support/test_time.ts";
import { createIpDouble, type IpDouble, type Row } from "./ip_double.ts";

const mac = "02:00:00:00:00:01";
const deadMac = "02:00:00:00:00:99";

/** Lines of `Deno.networkInterfaces()`. */
function lines(...held: [name: string, cidr: string][]) {
  return held.map(([name, cidr]) => ({ name, address: cidr.split("/")[0], cidr, mac }));
}

const host = lines(["e0", "192.0.2.5/24"], ["e1", "2001:db8::5/64"]);
const stale = (dst: string, dev: string): Row => ({ dst, dev, lladdr: deadMac, state: ["STALE"] });

/** Resolves over a table in which things happen at times in ms; how long it took, and the states. */
async function resolve(
  double: IpDouble,
  addresses: readonly string[],
  events: readonly (readonly [ms: number, run: () => void])[] = [],
) {
  const time = createTestTime();
  const start = time.monotonic();
  const cache = createLinuxCache({ ip: double.ip, interfaces: () => host, time });
  for (const [ms, run] of events) time.after(ms, run);
  const reports = await time.until(cache.resolve(addresses.map(parsePrefix)));
  const states = reports.map(({ state, linkLayerAddress }) =>
    linkLayerAddress.some(Boolean) ? `${state} ${formatLinkLayerAddress(linkLayerAddress)}` : state
  );
  const solicited = double.commands.filter((command) => command.startsWith("neigh add"))
    .map((command) => command.split(" ")[2]);
  return { states, ms: time.monotonic() - start, solicited };
}

const answers = (double: IpDouble, dst: string, dev: string) => () =>
  double.set({ dst, dev, lladdr: mac, state: ["REACHABLE"] });

Deno.test("createLinuxCache().resolve() asks for all addresses at once, and for each once", async () => {
  const double = createIpDouble();
  const { states, ms, solicited } = await resolve(
    double,
    ["192.0.2.1", "2001:db8::1", "192.0.2.1"],
    [[10, answers(double, "192.0.2.1", "e0")], [30, answers(double, "2001:db8::1", "e1")]],
  );
  assert.deepEqual(states, Array(3).fill(`neighbor ${mac}`));
  assert.deepEqual(solicited, ["192.0.2.1", "2001:db8::1"]);
  assert.equal(ms, 30);
});

Deno.test("createLinuxCache().resolve() gives up after its time, and not before", async () => {
  const { states, ms } = await resolve(createIpDouble(), ["192.0.2.1"]);
  assert.deepEqual(states, ["no neighbor"]);
  assert.equal(ms, 1000);
});

Deno.test("createLinuxCache().resolve() ends when the kernel has given up", async () => {
  const double = createIpDouble();
  const failed = () => double.set({ dst: "192.0.2.1", dev: "e0", state: ["FAILED"] });
  const { states, ms } = await resolve(double, ["192.0.2.1"], [[70, failed]]);
  assert.deepEqual(states, ["no neighbor"]);
  assert.equal(ms, 70);
});

Deno.test("createLinuxCache().resolve() asks at 0, 0.3 and 0.6 s while nobody answers", async () => {
  const double = createIpDouble();
  const asked: number[] = [];
  const time = createTestTime();
  const start = time.monotonic();
  double.before = (command) => {
    if (command.startsWith("neigh add")) asked.push(time.monotonic() - start);
  };
  const cache = createLinuxCache({ ip: double.ip, interfaces: () => host, time });
  await time.until(cache.resolve([parsePrefix("192.0.2.1")]));
  assert.equal(asked.length, 3);
  for (const [i, at] of [0, 300, 600].entries()) {
    assert.ok(asked[i] >= at && asked[i] <= at + 160, `asked at ${asked}`);
  }
});

Deno.test("createLinuxCache().resolve() tells each as it was when it was settled", async () => {
  const double = createIpDouble();
  double.route = (dst) => dst === "10.0.0.1" ? null : { dev: "e0" };
  const time = createTestTime();
  const start = time.monotonic();
  const cache = createLinuxCache({ ip: double.ip, interfaces: () => host, time });
  time.after(10, answers(double, "192.0.2.1", "e0"));
  time.after(50, () => double.remove("192.0.2.1", "e0"));
  const told: [number, string, number][] = [];
  const found = await time.until(
    cache.resolve(["192.0.2.1", "192.0.2.2", "10.0.0.1"].map(parsePrefix), undefined, (i, one) => {
      told.push([i, one.state, time.monotonic() - start]);
    }),
  );
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

Deno.test("createLinuxCache() calls a link-layer address that isn't 6 bytes unknown", async () => {
  const infiniband = Array(20).fill("02").join(":");
  const row = { dst: "192.0.2.1", dev: "e0", lladdr: infiniband, state: ["REACHABLE"] };
  const double = createIpDouble(row);
  const cache = createLinuxCache({ ip: double.ip, interfaces: () => host });
  const asked = [parsePrefix("192.0.2.1")];
  for (const found of [await cache.look(asked), await lookAfter(double, row)]) {
    assert.deepEqual(found.map(({ state, cached }) => [state, cached]), [["unknown", true]]);
  }
});

/** Resolves an address that such a row comes up for. */
async function lookAfter(double: IpDouble, row: Row) {
  const time = createTestTime();
  const cache = createLinuxCache({ ip: double.ip, interfaces: () => host, time });
  time.after(10, () => double.set(row));
  return await time.until(cache.resolve([parsePrefix(row.dst)]));
}

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
    const cache = createLinuxCache({ ip: double.ip });
    const { forgotten } = await cache.flush([parsePrefix("192.0.2.0/24")]);
    assert.deepEqual(forgotten, [parsePrefix("192.0.2.1")]);
  }
});

Deno.test("createLinuxCache().resolve() asks again for what a flush took away meanwhile", async () => {
  const double = createIpDouble();
  const { states, solicited } = await resolve(double, ["192.0.2.1"], [
    [30, () => double.remove("192.0.2.1", "e0")],
    [70, answers(double, "192.0.2.1", "e0")],
  ]);
  assert.deepEqual(states, [`neighbor ${mac}`]);
  assert.deepEqual(solicited, ["192.0.2.1", "192.0.2.1"]);
});

Deno.test("createLinuxCache().resolve() takes an entry that traffic makes before it asks", async () => {
  const double = createIpDouble();
  double.before = (command) => {
    if (command.startsWith("neigh add 192.0.2.1 ")) answers(double, "192.0.2.1", "e0")();
  };
  const events = [[10, answers(double, "2001:db8::1", "e1")]] as const;
  const { states } = await resolve(double, ["192.0.2.1", "2001:db8::1"], events);
  assert.deepEqual(states, [`neighbor ${mac}`, `neighbor ${mac}`]);
});

Deno.test("createLinuxCache().resolve() takes an entry without a state as one that is not there", async () => {
  const double = createIpDouble({ dst: "192.0.2.1", dev: "e0" });
  const events = [[10, answers(double, "192.0.2.1", "e0")]] as const;
  assert.deepEqual((await resolve(double, ["192.0.2.1"], events)).states, [`neighbor ${mac}`]);
});

Deno.test("createLinuxCache().resolve() passes on what ip complains of, but an existing entry", async () => {
  const double = createIpDouble();
  double.before = (command) =>
    command.startsWith("neigh add") ? "RTNETLINK answers: No buffer space available" : undefined;
  await assert.rejects(resolve(double, ["192.0.2.1"]), { name: "NeighborCacheError", code: 105 });
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
    const time = createTestTime();
    const interfaces = () => lines([name, "fe80::5/64"]);
    const cache = createLinuxCache({ ip, interfaces, time });
    for (const address of ["192.0.2.1", "fe80::1"]) time.after(10, answers(double, address, name));
    const found = await time.until(cache.resolve(["192.0.2.1", "fe80::1"].map(parsePrefix)));
    assert.deepEqual(found.map(({ state }) => state), ["neighbor", "neighbor"], name);
    assert.equal(inputs.some((input) => input.includes(name)), false);
  }
});

/** A table for which each run of `ip` takes a time in ms, and where each who is asked answers. */
function createSlowIp(ipMs: number, answerAfterMs: number) {
  const time = createTestTime();
  const double = createIpDouble();
  double.before = (command) => {
    const [, what, dst, , dev] = command.split(" ");
    if (what === "add") time.after(answerAfterMs, answers(double, dst, dev));
  };
  const ip: IpCommand = async (args, input, next) => {
    await sleep(time.after, ipMs / 2);
    const result = await double.ip(args, input, next);
    await sleep(time.after, ipMs / 2);
    return result;
  };
  return { time, cache: createLinuxCache({ ip, interfaces: () => host, time }) };
}

for (const ipMs of [20, 200, 400, 900, 1_500, 2_500]) {
  Deno.test(`createLinuxCache().resolve() gives a host time to answer where ip takes ${ipMs} ms`, async () => {
    for (const answerAfterMs of [1, 50, 250]) {
      const { time, cache } = createSlowIp(ipMs, answerAfterMs);
      const [{ state }] = await time.until(cache.resolve([parsePrefix("192.0.2.1")]));
      assert.equal(state, "neighbor", `after ${answerAfterMs} ms`);
    }
  });
}

Deno.test("createLinuxCache().resolve() says so where flushes take away each entry before it is answered", async () => {
  const double = createIpDouble();
  const time = createTestTime();
  const ip: IpCommand = (args, input, next) => {
    double.rows = [];
    return double.ip(args, input, next);
  };
  const cache = createLinuxCache({ ip, interfaces: () => host, time });
  const resolved = time.until(cache.resolve([parsePrefix("192.0.2.1")]));
  await assert.rejects(resolved, { name: "NeighborCacheError", code: 110 });
});

Deno.test("createLinuxCache() doesn't run ip for addresses that are not looked at", async () => {
  const double = createIpDouble();
  const cache = createLinuxCache({ ip: double.ip, interfaces: () => [] });
  const reports = await cache.resolve(["fe80::1", "192.0.2.0/24"].map(parsePrefix));
  assert.deepEqual(reports.map(({ state }) => state), ["not concerned", "not concerned"]);
  assert.deepEqual(double.commands, []);
});

Deno.test("createLinuxCache() rejects with a NeighborCacheError if interfaces can't be listed", async () => {
  const interfaces = () => {
    throw new Deno.errors.NotCapable("Requires sys access");
  };
  await assert.rejects(
    createLinuxCache({ ip: createIpDouble().ip, interfaces }).look([parsePrefix("192.0.2.1")]),
    (error) =>
      error instanceof NeighborCacheError &&
      error.message === "Cannot list the network interfaces: Requires sys access",
  );
});

Deno.test("createLinuxCache().flush() flushes prefixes of both families in one run", async () => {
  const double = createIpDouble(stale("192.0.2.1", "e0"), stale("192.0.2.2", "e0"));
  const scope = ["192.0.2.1", "198.51.100.0/24", "0.0.0.0/0", "2001:db8::/64"].map(parsePrefix);
  const { removed, notes } = await createLinuxCache({ ip: double.ip }).flush(scope);
  assert.deepEqual([removed, notes], [1, []]);
  assert.deepEqual(double.commands, [
    "neigh show",
    "neigh flush to 192.0.2.1",
    "neigh flush to 198.51.100.0/24",
    "neigh flush to 0.0.0.0/0",
    "neigh flush to 2001:db8::/64",
    // Refused to who may not change the table, even if there was nothing to flush.
    "neigh del 255.255.255.255 dev lo",
  ]);
});

Deno.test("createLinuxCache().flush() deletes single addresses by one reading of the table", async () => {
  const gone = stale("192.0.2.3", "e0");
  const double = createIpDouble(stale("192.0.2.1", "e0"), stale("192.0.2.1", "e1"), gone);
  double.before = (command) => {
    if (command.startsWith("neigh del 192.0.2.3")) double.remove(gone.dst, gone.dev);
  };
  const listed = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(parsePrefix);
  const { removed } = await createLinuxCache({ ip: double.ip }).flush(listed);
  assert.deepEqual([removed, double.rows], [2, []]);
  assert.equal(double.commands.filter((command) => command.startsWith("neigh show")).length, 2);
});

Deno.test("createLinuxCache().flush() of single addresses says who may not, with nothing there", async () => {
  const double = createIpDouble();
  double.before = (command) =>
    command.startsWith("neigh del") ? "RTNETLINK answers: Operation not permitted" : undefined;
  const denied = { name: "NeighborCacheError", code: 1 };
  const listed = [parsePrefix("192.0.2.1")];
  await assert.rejects(createLinuxCache({ ip: double.ip }).flush(listed), denied);
});

Deno.test("createLinuxCache().flush() deletes one by one where another flush came between", async () => {
  const double = createIpDouble(
    stale("192.0.2.1", "e0"),
    stale("192.0.2.2", "a#b"),
    stale("192.0.2.3", "e0"),
    { ...stale("192.0.2.4", "e0"), state: ["PERMANENT"] },
  );
  double.before = (command) => {
    if (command.startsWith("neigh flush")) {
      return "Failed to send flush request: No such file or directory";
    }
    // Gone between the listing and its deletion.
    if (command === "neigh del 192.0.2.1 dev e0") double.remove("192.0.2.1", "e0");
  };
  const { removed } = await createLinuxCache({ ip: double.ip }).flush("all");
  assert.equal(removed, 2);
  assert.deepEqual(double.rows.map(({ dst }) => dst), ["192.0.2.4"]);
});

/** An `ip` that prints always the same. */
const printing = (stdout: string): IpCommand => (_args, _input, next) => {
  next?.(stdout.split("\n", 1)[0]);
  return Promise.resolve({ code: 0, stdout, stderr: "" });
};

const done = "\n*** Round 1, deleting 1 entries ***\n*** Flush is complete after 1 round ***\n";

for (const [what, flushes] of [["no", ""], ["too few", done], ["too many", done.repeat(3)]]) {
  Deno.test(`createLinuxCache().flush() rejects ${what} flushes`, async () => {
    const cache = createLinuxCache({ ip: printing(`[]\n${flushes}`) });
    await assert.rejects(
      cache.flush(["192.0.2.0/25", "192.0.2.128/25"].map(parsePrefix)),
      (error) => error instanceof NeighborCacheError && error.code === 5,
    );
  });
}

Deno.test("createLinuxCache().list() rejects two tables", async () => {
  const cache = createLinuxCache({ ip: printing("[]\n[]\n") });
  await assert.rejects(cache.list(), { name: "NeighborCacheError", code: 5 });
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
    const double = createIpDouble({ dst: "203.0.113.1", dev: "e0", lladdr: mac, state: ["STALE"] });
    double.route = () => route;
    const [tunnel] = lines(["tun0", "10.8.0.2/24"]);
    const interfaces = () => [...host, { ...tunnel, mac: "00:00:00:00:00:00" }];
    const cache = createLinuxCache({ ip: double.ip, interfaces });
    const [{ state }] = await cache.look([parsePrefix("203.0.113.1")]);
    assert.equal(state, device === null ? "not concerned" : "neighbor");
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
  [[{ dst: "203.0.113.0/24", dev: "e1", table: undefined }], "203.0.113.1", null],
  [[{ dst: "192.0.2.0/24", dev: "e1" }], "192.0.2.5", null],
];
for (const [routes, address, device] of tables) {
  Deno.test(`createLinuxCache().look() finds ${address} by ${JSON.stringify(routes)} of a table on ${device}`, async () => {
    const double = createIpDouble(
      ...["e0", "e1"].map((dev) => ({ dst: address, dev, lladdr: mac, state: ["STALE"] })),
    );
    if (device !== null) double.rows = double.rows.filter(({ dev }) => dev === device);
    double.route = () => null;
    double.tables = routes.map((route) => ({ table: "100", ...route }));
    const cache = createLinuxCache({ ip: double.ip, interfaces: () => host });
    const [{ state }] = await cache.look([parsePrefix(address)]);
    assert.equal(state, device === null ? "not concerned" : "neighbor");
  });
}

Deno.test("createLinuxCache() says of addresses on a link what is so where other tables can't be read", async () => {
  const double = createIpDouble({ dst: "192.0.2.1", dev: "e0", lladdr: mac, state: ["STALE"] });
  const { ip } = double;
  double.route = (address) => address === "192.0.2.1" ? { dev: "e0" } : null;
  const time = createTestTime();
  const cache = createLinuxCache({
    ip: (args, input, next) =>
      input.startsWith("route show table")
        ? Promise.resolve({ code: 1, stdout: "", stderr: "Dump terminated" })
        : ip(args, input, next),
    interfaces: () => host,
    time,
  });
  const asked = ["192.0.2.1", "203.0.113.1"].map((text) => parsePrefix(text));
  const states = async (found: ReturnType<typeof cache.look>) =>
    (await time.until(found)).map(({ state }) => state);
  assert.deepEqual(await states(cache.look(asked)), ["neighbor", "unknown"]);
  assert.deepEqual(await states(cache.resolve(asked)), ["no neighbor", "unknown"]);
});

Deno.test("createLinuxCache().look() tells a permanent entry of several", async () => {
  const double = createIpDouble(
    { dst: "203.0.113.1", dev: "e0", lladdr: mac, state: ["REACHABLE"] },
    { dst: "203.0.113.1", dev: "e1", lladdr: deadMac, state: ["PERMANENT"] },
  );
  double.route = () => null;
  double.tables = ["e0", "e1"].map((dev, i) => ({ dst: "203.0.113.0/24", dev, table: `${i}` }));
  const cache = createLinuxCache({ ip: double.ip, interfaces: () => host });
  const [{ state }] = await cache.look([parsePrefix("203.0.113.1")]);
  assert.equal(state, "permanent");
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
    const double = createIpDouble();
    const time = createTestTime();
    const links = lines(
      ["e0", "192.0.2.5/24"],
      ["e0", "fe80::5/64"],
      ["e1", "198.51.100.5/24"],
      ["e1", "fe80::6/64"],
    );
    const cache = createLinuxCache({ ip: double.ip, interfaces: () => links, time });
    const from = source === undefined ? undefined : parsePrefix(source);
    await time.until(cache.resolve([parsePrefix(address)], from));
    const asked = double.commands.filter((command) => command.startsWith("neigh add"));
    assert.deepEqual([...new Set(asked.map((command) => command.split(" ")[4]))], devices);
  });
}

Deno.test("createLinuxCache().gateways() are those of default routes in any table, in any form", async () => {
  const routes = [
    { dst: "default", gateway: "192.0.2.1" },
    { dst: "0.0.0.0/1", gateway: "192.0.2.2", table: "7" },
    { dst: "10.0.0.0/8", gateway: "192.0.2.3" },
    { dst: "default", nexthops: [{ gateway: "192.0.2.1" }, { via: { host: "fe80::1" } }] },
  ];
  const cache = createLinuxCache({ ip: printing(JSON.stringify(routes)) });
  const texts = (addresses: readonly AddressPrefix[]) => addresses.map(formatAddress);
  assert.deepEqual(texts(await cache.gateways()), ["192.0.2.1", "192.0.2.2", "fe80::1"]);
  assert.deepEqual(texts(await cache.nextHops()), [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "fe80::1",
  ]);
});
