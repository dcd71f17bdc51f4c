import assert from "node:assert/strict";
import {
  type FlushScope,
  type FoundNeighbor,
  NeighborCacheError,
} from "../../../lib/neighbors/neighbor_cache.ts";
import { openWindowsNeighborCache } from "../../../lib/neighbors/windows.ts";
import { systemTime } from "../../../lib/time.ts";
import { describeWin32Error } from "../../../lib/win32/win32_error.ts";
import { formatPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { createTestTime, settle } from "../../support/test_time.ts";
import {
  type Call,
  createIpHelperDouble,
  type IpHelperDouble,
  own,
  route,
  row,
} from "./ip_helper_double.ts";

const permanent = 6;

function filled(double: IpHelperDouble): IpHelperDouble {
  double.rows = [
    row("192.0.2.1", 12),
    row("192.0.2.9", 12, "02:00:00:00:00:09", permanent),
    row("2001:db8::1", 12),
    row("224.0.0.22", 12, "01:00:5e:00:00:16", permanent),
  ];
  return double;
}

function left(double: IpHelperDouble): string[] {
  return double.rows.map(({ address, interfaceIndex }) =>
    `${address.family} ${interfaceIndex} ${address.bytes.at(address.family === 4 ? 3 : 15)}`
  ).sort();
}

const flush = (double: IpHelperDouble, scope: FlushScope = "all") =>
  openWindowsNeighborCache({ ip: double }).flush(scope);

async function rejection(promise: Promise<unknown>): Promise<NeighborCacheError> {
  const error = await promise.then(() => null, (reason: unknown) => reason);
  assert.ok(error instanceof NeighborCacheError, `rejects with a NeighborCacheError, not ${error}`);
  return error;
}

Deno.test("openWindowsNeighborCache().flush() of everything is one FlushIpNetTable2 and counts from the table", async () => {
  const double = filled(createIpHelperDouble());
  let clock = 0;
  const cache = openWindowsNeighborCache({
    ip: double,
    time: { ...systemTime, monotonic: () => clock += 0.25 },
  });
  const forgotten = ["192.0.2.1", "2001:db8::1"].map(parsePrefix);
  assert.deepEqual(await cache.flush("all"), { removed: 2, forgotten, micros: 250, notes: [] });
  assert.deepEqual(double.calls, ["getIpNetTable2 0", "flushIpNetTable2 0", "getIpNetTable2 0"]);
  assert.deepEqual(left(double), ["4 12 22", "4 12 9"]);
});

Deno.test("openWindowsNeighborCache().flush() puts lost permanent rows back, and says how that went", async () => {
  const removed = "permanent entry 192.0.2.9 on interface 12 was removed and";
  const refused = `${removed} cannot be put back: CreateIpNetEntry2 returned`;
  const notes: [code: number, notes: string[]][] = [
    [0, [`${removed} put back`]],
    [5, [`${refused} ERROR_ACCESS_DENIED (5): Access is denied`]],
    [5010, []], // Another flush has put it back.
  ];
  for (const [code, expected] of notes) {
    const double = filled(createIpHelperDouble());
    double.flushTakesPermanent = true;
    double.faults.set("createIpNetEntry2", code);
    assert.deepEqual((await flush(double)).notes, expected);
    // The system's own multicast row is the system's to make.
    assert.deepEqual(left(double), code === 0 ? ["4 12 9"] : []);
  }
});

Deno.test("openWindowsNeighborCache().flush() takes each family alone where one is absent", async () => {
  const double = filled(createIpHelperDouble());
  double.faults.set("flushIpNetTable2 0", 50).set("flushIpNetTable2 23", 50);
  double.faults.set("getIpNetTable2 0", 50).set("getIpNetTable2 23", 50);
  assert.equal((await flush(double)).removed, 1);
  assert.deepEqual(left(double), ["4 12 22", "4 12 9", "6 12 1"]);
});

Deno.test("openWindowsNeighborCache().flush() fails when neither family is there", async () => {
  const double = filled(createIpHelperDouble());
  double.faults.set("flushIpNetTable2", 50);
  const error = await rejection(flush(double));
  assert.equal(error.code, 50);
});

Deno.test("openWindowsNeighborCache().flush() without FlushIpNetTable2 takes IPv4 an interface, IPv6 a row at a time", async () => {
  const double = filled(createIpHelperDouble({ withoutFlushIpNetTable2: true }));
  double.rows.push(row("198.51.100.1", 13), row("203.0.113.1", 14));
  const cache = openWindowsNeighborCache({ ip: double });
  assert.equal(cache.description, "iphlpapi.dll (FlushIpNetTable)");
  assert.equal((await cache.flush("all")).removed, 4);
  assert.deepEqual(left(double), ["4 12 22", "4 12 9"]);
  assert.ok(!double.calls.some((call) => call.startsWith("flushIpNetTable2")));
});

Deno.test("openWindowsNeighborCache().flush() without FlushIpNetTable2 passes over an interface that has gone", async () => {
  const double = filled(createIpHelperDouble({ withoutFlushIpNetTable2: true }));
  double.rows.push(row("198.51.100.1", 13));
  double.faults.set("flushIpNetTable 13", 87);
  double.before = (call) => {
    if (call !== "flushIpNetTable") return;
    double.rows = double.rows.filter((row) => row.interfaceIndex !== 13);
  };
  assert.equal((await flush(double)).removed, 3);
});

Deno.test("openWindowsNeighborCache().flush() of listed addresses deletes what the prefixes cover, on every interface", async () => {
  const double = createIpHelperDouble();
  double.rows = [
    row("192.0.2.1", 12),
    row("192.0.2.1", 13),
    row("192.0.2.2", 12),
    row("192.0.2.130", 12, "02:00:00:00:00:02", permanent),
    row("192.0.2.131", 12),
    row("2001:db8::1", 12),
    row("2001:db8:1::1", 12),
  ];
  const scope = ["192.0.2.1", "192.0.2.128/25", "2001:db8::/64"].map(parsePrefix);
  assert.equal((await flush(double, scope)).removed, 4);
  assert.deepEqual(left(double), ["4 12 130", "4 12 2", "6 12 1"]);
});

Deno.test("openWindowsNeighborCache().flush() of listed addresses takes a row that is already gone as done", async () => {
  for (const code of [2, 87, 1168]) {
    const double = filled(createIpHelperDouble());
    double.faults.set("deleteIpNetEntry2", code);
    double.before = (call) => {
      if (call === "deleteIpNetEntry2") double.rows = double.rows.slice(1);
    };
    assert.equal((await flush(double, [parsePrefix("192.0.2.1")])).removed, 1);
  }
});

Deno.test("openWindowsNeighborCache().flush() tries every listed row before it says that one failed", async () => {
  const double = createIpHelperDouble();
  double.rows = [row("192.0.2.1", 12), row("192.0.2.1", 13)];
  double.faults.set("deleteIpNetEntry2 12", 5);
  const error = await rejection(flush(double, [parsePrefix("192.0.2.1")]));
  assert.equal(error.code, 5);
  assert.match(error.message, /^DeleteIpNetEntry2\(192\.0\.2\.1 on interface 12\) returned ERROR/);
  assert.deepEqual(left(double), ["4 12 1"]);
});

Deno.test("openWindowsNeighborCache().flush() rejects with the number and Microsoft's name of each call's error", async () => {
  const all: FlushScope = "all";
  const listed: FlushScope = [parsePrefix("192.0.2.1")];
  const cases: [Call, string, FlushScope, boolean][] = [
    ["flushIpNetTable2", "FlushIpNetTable2(AF_UNSPEC, 0)", all, false],
    ["flushIpNetTable", "FlushIpNetTable(12)", all, true],
    ["deleteIpNetEntry2", "DeleteIpNetEntry2(192.0.2.1 on interface 12)", listed, false],
    ["getIpNetTable2", "GetIpNetTable2(AF_UNSPEC)", all, false],
  ];
  for (const [call, name, scope, withoutFlushIpNetTable2] of cases) {
    for (const code of [5, 8, 31, 50, 87, 1168]) {
      const double = filled(createIpHelperDouble({ withoutFlushIpNetTable2 }));
      double.faults.set(call, code);
      const flushed = flush(double, scope);
      // "Nothing found" from a flush means that there was nothing to flush.
      if (code === 1168 && /^(flush|delete)/.test(call)) {
        await flushed;
        continue;
      }
      const error = await rejection(flushed);
      assert.equal(error.code, code);
      assert.equal(error.message, `${name} returned ${describeWin32Error(code)}`);
    }
  }
});

Deno.test("openWindowsNeighborCache().flush() keeps permanent rows also when it fails", async () => {
  const double = filled(createIpHelperDouble({ withoutFlushIpNetTable2: true }));
  double.rows.push(row("198.51.100.1", 13));
  double.faults.set("flushIpNetTable 13", 31);
  double.flushTakesPermanent = true;
  await rejection(flush(double));
  assert.ok(
    double.rows.some(({ address, state }) => address.bytes[3] === 9 && state === permanent),
  );
});

Deno.test("openWindowsNeighborCache().flush() of a table with 0 rows and with 20,000 rows", async () => {
  const double = createIpHelperDouble();
  const cache = openWindowsNeighborCache({ ip: double });
  assert.equal((await cache.flush("all")).removed, 0);
  double.rows = Array.from(
    { length: 20_000 },
    (_, i) => row(`10.1.${i >> 8}.${i & 255}`, 12),
  );
  assert.equal((await cache.flush("all")).removed, 20_000);
});

Deno.test("openWindowsNeighborCache().list() shows permanent rows and leaves out link-layer addresses that lead nowhere", async () => {
  const double = createIpHelperDouble();
  const incomplete = 1, unreachable = 0;
  double.rows = [
    row("192.0.2.9", 12, "02:00:00:00:00:09", permanent),
    row("192.0.2.2", 12, "02:00:00:00:00:02", incomplete),
    row("192.0.2.3", 12, "00:00:00:00:00:00", unreachable),
    row("192.0.2.4", 12, "none"),
  ];
  const list = await openWindowsNeighborCache({ ip: double }).list();
  assert.deepEqual(
    list.map(({ linkLayerAddress, permanent }) => [linkLayerAddress?.toHex() ?? null, permanent]),
    [["020000000009", true], [null, false], [null, false], [null, false]],
  );
  assert.equal(list[0].interfaceName, "12");
});

function texts(reports: readonly FoundNeighbor[]): string[] {
  return reports.map(({ state, linkLayerAddress }) => `${state} ${linkLayerAddress.toHex()}`);
}

const nothing = "000000000000";

/** A cache on the double, with time that the test advances. */
function openResolving(double: IpHelperDouble) {
  const time = createTestTime();
  const open = { now: 0, ever: 0 };
  function openDatagrams() {
    open.now++;
    open.ever++;
    return { send: double.sendDatagram, [Symbol.dispose]: () => void open.now-- };
  }
  return { time, open, cache: openWindowsNeighborCache({ ip: double, openDatagrams, time }) };
}

Deno.test("openWindowsNeighborCache().resolve() asks the link anew and reports in the order asked", async () => {
  const double = createIpHelperDouble();
  double.rows = [row("192.0.2.1", 12, "02:00:00:00:00:aa")];
  double.answers.set("192.0.2.1", "02:00:00:00:00:bb").set("2001:db8::1", "02:00:00:00:00:cc");
  const addresses = ["2001:db8::1", "192.0.2.7", "192.0.2.1", "198.51.100.1"].map(parsePrefix);
  const { cache, time } = openResolving(double);
  const start = time.monotonic();
  const settled: [number, string, number][] = [];
  const reports = await time.until(
    cache.resolve(addresses, undefined, (index, { state }) => {
      settled.push([index, state, time.monotonic() - start]);
    }),
  );
  assert.deepEqual(texts(reports), [
    "neighbor 0200000000cc",
    `no neighbor ${nothing}`,
    "neighbor 0200000000bb",
    `not concerned ${nothing}`,
  ]);
  assert.deepEqual(settled, [
    [3, "not concerned", 0],
    [0, "neighbor", 10],
    [2, "neighbor", 10],
    [1, "no neighbor", 1000],
  ]);
});

Deno.test("openWindowsNeighborCache().resolve() looks at nothing off the links, no prefix and none of the host's own", async () => {
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
  assert.ok(!double.calls.some((call) => /^(delete|send)/.test(call)));
});

Deno.test("openWindowsNeighborCache().resolve() reports a permanent row and never deletes it", async () => {
  const double = createIpHelperDouble();
  double.rows = [row("192.0.2.9", 12, "02:00:00:00:00:09", permanent)];
  const cache = openWindowsNeighborCache({ ip: double });
  const reports = await cache.resolve([parsePrefix("192.0.2.9")]);
  assert.deepEqual(texts(reports), ["permanent 020000000009"]);
  assert.ok(!double.calls.some((call) => /^(delete|send)/.test(call)));
});

Deno.test("openWindowsNeighborCache().resolve() takes a lost interface as not concerned", async () => {
  const double = createIpHelperDouble();
  double.faults.set("deleteIpNetEntry2", 2);
  const { cache, time } = openResolving(double);
  assert.deepEqual(texts(await time.until(cache.resolve([parsePrefix("192.0.2.1")]))), [
    `not concerned ${nothing}`,
  ]);
});

Deno.test("openWindowsNeighborCache().resolve() rejects with the number of any other error, a missing export's too", async () => {
  for (
    const call of [
      "deleteIpNetEntry2",
      "getIpNetTable2",
      "getUnicastIpAddressTable",
      "getIpForwardTable2",
    ]
  ) {
    for (const code of [5, 8, 31, 50, 87, 127]) {
      const double = createIpHelperDouble();
      double.faults.set(call, code);
      const { cache, time } = openResolving(double);
      await assert.rejects(
        time.until(cache.resolve([parsePrefix("192.0.2.1")])),
        (error) => error instanceof NeighborCacheError && error.code === code,
      );
    }
  }
});

Deno.test("openWindowsNeighborCache().resolve() rejects where sending is forbidden, else finds nobody", async () => {
  const address = parsePrefix("192.0.2.1");
  const double = createIpHelperDouble();
  const { time, cache } = openResolving(
    Object.assign(double, {
      sendDatagram: () => Promise.reject(new Deno.errors.PermissionDenied("Forbidden")),
    }),
  );
  const { code, message } = await rejection(time.until(cache.resolve([address])));
  assert.deepEqual([code, message], [5, "Cannot send to 192.0.2.1: Forbidden"]);

  double.sendDatagram = () => Promise.reject(new Error("The network is down"));
  const down = openResolving(double);
  const reports = await down.time.until(down.cache.resolve([address]));
  assert.deepEqual(texts(reports), [`no neighbor ${nothing}`]);
});

Deno.test("openWindowsNeighborCache().resolve() asks at 0, 0.3 and 0.6 s and when a flush took the row, 1 s at most", async () => {
  const double = createIpHelperDouble();
  const { time, cache } = openResolving(double);
  const start = time.monotonic();
  const deleted: number[] = [];
  let sent = 0;
  double.before = (call) => {
    if (call === "deleteIpNetEntry2") deleted.push(time.monotonic() - start);
  };
  const resolved = cache.resolve([parsePrefix("192.0.2.1")]);
  time.pass(0);
  await settle();
  time.pass(9);
  const sends = () => double.calls.filter((call) => call === "sendDatagram 12").length;
  assert.equal(sends(), 1);
  await cache.flush("all");
  time.pass(1);
  await settle();
  assert.equal(sends(), 2, "the row that the flush took is asked for again");
  sent = sends();
  assert.deepEqual(texts(await time.until(resolved)), [`no neighbor ${nothing}`]);
  assert.equal(time.monotonic() - start, 1000);
  assert.equal(sends() - sent, 2);
  assert.equal(deleted.length, 3);
  assert.ok(deleted[1] >= 300 && deleted[1] < 460 && deleted[2] >= 600 && deleted[2] < 760);
});

Deno.test("openWindowsNeighborCache().flush() comes before resolving that was asked for earlier, and between 16 addresses of it", async () => {
  const double = createIpHelperDouble();
  const { time, open, cache } = openResolving(double);
  const absent = Array.from({ length: 57 }, (_, i) => parsePrefix(`192.0.2.${100 + i}`));
  const { after } = time;
  /** How many had been asked for each time that others got their turn. */
  const asked: number[] = [];
  Object.assign(time, {
    after(ms: number, run: () => void) {
      asked.push(double.calls.filter((call) => call === "sendDatagram 12").length);
      return after(ms, run);
    },
  });
  const resolved = cache.resolve(absent);
  await cache.flush("all");
  assert.ok(!double.calls.some((call) => /^(delete|send)/.test(call)));
  time.pass(0);
  await settle();
  time.pass(0);
  assert.deepEqual(asked, [0, 16, 32, 48, 57]);
  double.rows.push(row("192.0.2.1", 12));
  const start = time.monotonic();
  assert.deepEqual((await cache.flush("all")).forgotten, [parsePrefix("192.0.2.1")]);
  assert.equal(time.monotonic(), start);
  const reports = await time.until(resolved);
  assert.deepEqual(new Set(texts(reports)), new Set([`no neighbor ${nothing}`]));
  assert.deepEqual(open, { now: 0, ever: 1 }, "sockets are opened once for all of them");
});

Deno.test("openWindowsNeighborCache().resolve() takes no old row for an answer where two ask for it", async () => {
  const double = createIpHelperDouble();
  const { time, cache } = openResolving(double);
  double.rows = [row("192.0.2.156", 12, "02:00:00:00:00:aa")];
  double.answers.set("192.0.2.156", "02:00:00:00:00:bb");
  const asked = Array.from({ length: 57 }, (_, i) => parsePrefix(`192.0.2.${100 + i}`));
  const first = cache.resolve(asked);
  // The last of them hasn't been asked for when a second one wants it.
  const second = cache.resolve(asked.slice(-1));
  assert.deepEqual(texts(await time.until(second)), ["neighbor 0200000000bb"]);
  assert.deepEqual(texts(await time.until(first)).at(-1), "neighbor 0200000000bb");
});

Deno.test("openWindowsNeighborCache().resolve() rejects what is thrown in a later turn", async () => {
  const double = createIpHelperDouble();
  const { time, cache } = openResolving(double);
  let calls = 0;
  double.before = (call) => {
    if (call === "deleteIpNetEntry2" && ++calls > 16) throw new Error("no such call");
  };
  const asked = Array.from({ length: 20 }, (_, i) => parsePrefix(`192.0.2.${100 + i}`));
  assert.match((await rejection(time.until(cache.resolve(asked)))).message, /no such call/);
});

Deno.test("openWindowsNeighborCache().resolve() reads the table once for all who ask, and asks as the last of them needs", async () => {
  const double = createIpHelperDouble();
  const { time, cache } = openResolving(double);
  const start = time.monotonic();
  const count = (call: string) => double.calls.filter((one) => one === call).length;
  const first = cache.resolve(["192.0.2.1", "192.0.2.2"].map(parsePrefix));
  time.pass(0);
  await settle();
  time.pass(200);
  const before = count("getIpNetTable2 0");
  const second = cache.resolve([parsePrefix("192.0.2.2")]);
  time.pass(0);
  await settle();
  assert.equal(count("getIpNetTable2 0") - before, 1);
  assert.equal(
    count("deleteIpNetEntry2 12"),
    3,
    "an answer to the first may be older than the second",
  );
  double.before = (call) => {
    const answers = call === "getIpNetTable2" && time.monotonic() - start >= 220;
    if (answers) double.rows = [row("192.0.2.2", 12, "02:00:00:00:00:bb")];
  };
  assert.deepEqual(texts(await time.until(second)), ["neighbor 0200000000bb"]);
  assert.equal(time.monotonic() - start, 230);
  const found = await time.until(first);
  assert.deepEqual(texts(found), [`no neighbor ${nothing}`, "neighbor 0200000000bb"]);
  assert.equal(time.monotonic() - start, 1000);
  assert.equal(count("deleteIpNetEntry2 12"), 5, "the first goes on with the other");
});

Deno.test("openWindowsNeighborCache().resolve() takes the longest network, then the source's link, then the route's", async () => {
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
  const { cache, time } = openResolving(double);
  async function chosen(address: string, source?: string): Promise<string | undefined> {
    double.calls.length = 0;
    await time.until(
      cache.resolve(
        [parsePrefix(address)],
        source === undefined ? undefined : parsePrefix(source),
      ),
    );
    return double.calls.find((call) => call.startsWith("send"));
  }
  assert.equal(await chosen("192.0.2.1"), "sendDatagram 13");
  assert.equal(await chosen("192.0.2.200"), "sendDatagram 11");
  assert.equal(await chosen("fe80::1", "2001:db8:d::9"), "sendDatagram 13");
  assert.equal(await chosen("fe80::1"), "sendDatagram 11", "the gateway's own link");
  assert.equal(await chosen("fe80::2"), "sendDatagram 12", "GetBestInterfaceEx");
  double.faults.set("getBestInterfaceEx", 87);
  assert.equal(await chosen("fe80::2"), "sendDatagram 11");
});

Deno.test("openWindowsNeighborCache().look() reports the table as it is and changes nothing", async () => {
  const double = createIpHelperDouble();
  double.rows = [
    row("192.0.2.1", 12, "02:00:00:00:00:aa"),
    row("192.0.2.9", 12, "02:00:00:00:00:09", permanent),
    { ...row("192.0.2.8", 12), physicalAddress: new Uint8Array(8).fill(2) },
  ];
  const before = structuredClone(double.rows);
  const addresses = ["192.0.2.1", "192.0.2.9", "192.0.2.7", "192.0.2.8"].map(parsePrefix);
  const reports = await openWindowsNeighborCache({ ip: double }).look(addresses);
  assert.deepEqual(texts(reports), [
    "neighbor 0200000000aa",
    "permanent 020000000009",
    `no neighbor ${nothing}`,
    `unknown ${nothing}`,
  ]);
  assert.deepEqual(double.rows, before);
});

Deno.test("openWindowsNeighborCache().gateways() are the default routes' next hops, each once", async () => {
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
