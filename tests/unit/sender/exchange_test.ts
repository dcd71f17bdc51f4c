import assert from "node:assert/strict";
import type { ExchangePlan } from "../../../lib/sender/exchange.ts";
import { formatKey } from "../../../lib/wire/keys.ts";
import type { FlushRequest } from "../../../lib/wire/request.ts";
import { instance, reports } from "./answers.ts";
import { countOf, expectedOf } from "./helpers.ts";
import {
  type Behavior,
  hostKey,
  planned,
  type Reply,
  run,
  servicePort,
  signed,
} from "./virtual_run.ts";

const heals: Behavior = () => [{}];
const isRepair = ({ challenge }: FlushRequest) => challenge.some((byte) => byte !== 0);
const pinOf = (n: number) => formatKey("host", hostKey(n));

Deno.test("exchange() sends five copies of the same bytes, one second apart, and ends after the wait", async () => {
  const { network, record, states, events } = await run({ "192.0.2.20": heals });
  assert.deepEqual(network.sent.map(({ at }) => at), [0, 1_000, 2_000, 3_000, 4_000]);
  assert.equal(
    events.map((event) => event.kind === "copy" ? event.copy : event.kind).join(" "),
    "1 ack 2 ack 3 ack 4 ack 5 ack",
  );
  // Each ack came 1 ms after its copy.
  assert.deepEqual(record.hosts.all().map(({ clock }) => clock), [{ ms: -0.5, errorMs: 0.5 }]);
  const late = await run({ "192.0.2.20": (_, n) => n === 3 ? [{}] : [] });
  assert.deepEqual(late.record.hosts.all().map(({ clock: { errorMs } }) => errorMs), [0.5]);
  assert.equal(new Set(network.sent.map(({ bytes }) => bytes.toHex())).size, 1);
  assert.ok(record.elapsedMs >= 6_000 && record.elapsedMs < 6_100, String(record.elapsedMs));
  assert.deepEqual(states, ["sql01 healed"]);
  assert.ok(network.isClosed());
});

Deno.test("exchange() has no ack left to verify that came behind its end", async () => {
  for (const delayMs of [1_990, 2_000, 2_010, 3_000]) {
    const late: Behavior = (_, n) => n === 1 ? [{}] : n === 5 ? [{ delayMs }] : [];
    const { record, states } = await run({ "192.0.2.20": late });
    assert.deepEqual([record.unverified, ...states], [0, "sql01 healed"], `${delayMs} ms`);
  }
});

Deno.test("exchange() sends every copy although all that are expected have answered, then ends", async () => {
  for (const expected of [countOf(1), expectedOf("sql01"), expectedOf(pinOf(1))]) {
    const { network, record } = await run({ "192.0.2.20": heals }, { expected });
    assert.equal(network.sent.length, 5);
    assert.ok(record.elapsedMs < 4_100, String(record.elapsedMs));
  }
});

Deno.test("exchange() waits to the end while an expected host is missing or has not said all", async () => {
  const fails: Behavior = () => [{ status: "failed" }];
  const second: Behavior = () => [{ key: 2 }];
  const secondFails: Behavior = () => [{ key: 2, status: "failed" }];
  // Of the two requests of a copy it answers the first.
  const half: Behavior = (_, n) => n % 2 === 1 ? [{}] : [];
  const content = signed(planned(), planned());
  const runs: [Partial<ExchangePlan>, ...Behavior[]][] = [
    [{ expected: expectedOf("sql01\nsql02") }, heals],
    [{ expected: expectedOf("sql01\nsql09") }, heals, second],
    [{ expected: expectedOf("sql01\nsql02") }, heals, secondFails],
    [{ expected: expectedOf("sql01") }, fails],
    [{ expected: countOf(2) }, heals],
    [{ expected: countOf(1) }, fails],
    [{ expected: countOf(1), content }, half],
  ];
  for (const [plan, ...behaviors] of runs) {
    const hosts = behaviors.map((behavior, i) => [`192.0.2.${20 + i}`, behavior]);
    const { record } = await run(Object.fromEntries(hosts), plan);
    assert.ok(record.elapsedMs >= 6_000);
  }
});

Deno.test("exchange() waits as long as somebody may answer", async () => {
  const refuse: Behavior = () => {
    throw new Error("Network is unreachable");
  };
  const hosts = { "192.0.2.20": heals, "192.0.2.30": refuse };
  const targetsOf = (...hostnames: string[]) =>
    hostnames.map((hostname) => ({ ...planned().targets[0], hostname }));
  const to = (...hostnames: string[]) => signed({ ...planned(), targets: targetsOf(...hostnames) });
  const schedule = { count: 0, intervalMs: 0 };
  const ways = [
    [{ content: to("192.0.2.20", "192.0.2.30") }, 6_000, 10],
    [{ content: to("192.0.2.30") }, 4_000, 5],
    [{ content: { kind: "password", password: "x", targets: targetsOf("192.0.2.20") } }, 4_000, 5],
    [{ content: { kind: "none", isProbe: false }, schedule }, 0, 0],
  ] as const;
  for (const [plan, ms, sent] of ways) {
    const { record, network } = await run(hosts, plan);
    assert.deepEqual([Math.floor(record.elapsedMs / 100) * 100, network.sent.length], [ms, sent]);
  }
});

Deno.test("exchange() counts no ack whose check takes longer than the run", async () => {
  const { record, time } = await run({ "192.0.2.20": heals }, {}, 500, () => 1_000);
  time.pass(2_000);
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([record.unverified, record.hosts.all()], [1, []]);
});

Deno.test("exchange() doesn't count the sending machine among those it waits for", async () => {
  const { record } = await run({ "192.0.2.2": heals }, { expected: countOf(1) });
  assert.ok(record.elapsedMs >= 6_000);
  assert.ok(record.hosts.all()[0].own);
});

Deno.test("exchange() repairs a stale request by one for that host alone, with its own clock", async () => {
  const stale: Behavior = (request) =>
    isRepair(request) ? [{}] : [{ status: "stale", clock: 9e12 }];
  const { network, states } = await run({ "192.0.2.20": stale, "192.0.2.21": () => [{ key: 2 }] });
  const repairs = network.sent.filter(({ to }) => to.hostname === "192.0.2.20");
  assert.deepEqual(states.toSorted(), ["sql01 healed", "sql02 healed"]);
  assert.equal(repairs.length, 1);
  assert.equal(repairs[0].udpPort, servicePort);
});

Deno.test("exchange() sends nothing after its signal, and ends at once, at whatever moment", async () => {
  const behaviors: Behavior[] = [
    heals,
    () => [],
    (request) => isRepair(request) ? [] : [{ status: "stale" }],
    () => [{ status: "pending" }],
  ];
  for (const behavior of behaviors) {
    for (const endMs of [1, 150, 1_500, 4_100, 5_900]) {
      const { network, record } = await run({ "192.0.2.20": behavior }, {}, endMs);
      assert.ok(record.elapsedMs <= endMs + 1, `${record.elapsedMs} ms, ended at ${endMs}`);
      assert.ok(network.sent.every(({ at }) => at <= endMs));
      assert.equal(record.copies, Math.min(5, 1 + Math.floor(endMs / 1_000)));
      assert.ok(network.isClosed());
    }
  }
});

Deno.test("exchange() sends an unanswered repair six times, the same bytes, and ends", async () => {
  const deaf: Behavior = (request) => isRepair(request) ? [] : [{ status: "stale" }];
  const { network, states, record } = await run({ "192.0.2.20": deaf });
  const repairs = network.sent.filter(({ to }) => to.hostname === "192.0.2.20");
  assert.equal(repairs.length, 6);
  assert.equal(new Set(repairs.map(({ bytes }) => bytes.toHex())).size, 1);
  assert.deepEqual(states, ["? stale"]);
  assert.ok(record.elapsedMs < 7_000);
});

Deno.test("exchange() names a time of its own in a repair, whatever clock the host has", async () => {
  const created: number[] = [];
  const stale: Behavior = (request) => {
    if (isRepair(request)) created.push(request.created);
    return isRepair(request) ? [{}] : [{ status: "stale", clock: 0 }];
  };
  const { record } = await run({ "192.0.2.20": stale });
  assert.ok(created.every((at) => at >= record.created && at < record.created + 100));
});

Deno.test("exchange() asks a pending host again, and takes its last word", async () => {
  const pending: Behavior = (_, n) =>
    n <= 5 ? [{ status: "pending", micros: 4e6, reports: [] }] : [{ reports: [] }];
  const content = signed(planned({ report: false, addresses: [] }));
  const { states, network, record } = await run({ "192.0.2.20": pending }, { content });
  assert.equal(network.sent.at(-1)?.to.hostname, "192.0.2.20");
  assert.deepEqual(network.sent.at(-1)?.bytes, network.sent[0].bytes);
  assert.deepEqual(states, ["sql01 flushed"]);
  assert.ok(record.elapsedMs < 7_000);
});

Deno.test("exchange() says a right ack from elsewhere with its address, and doesn't count it", async () => {
  const { record, states } = await run({ "192.0.2.20": () => [{ from: "198.51.100.7" }] });
  assert.deepEqual(states, []);
  assert.deepEqual([...record.elsewhere], [["198.51.100.7", 5]]);
});

Deno.test("exchange() counts a pinned key from any address", async () => {
  const { states, network } = await run(
    { "192.0.2.20": () => [{ from: "198.51.100.7" }] },
    { expected: expectedOf(pinOf(1)) },
  );
  assert.deepEqual(states, ["sql01 healed"]);
  assert.ok(network.sent.every(({ to }) => to.hostname === "192.0.2.255"));
});

Deno.test("exchange() counts nothing with a wrong signature, nor what no request was sent for", async () => {
  const { record, states } = await run({
    "192.0.2.20": (_, n) => [
      n === 1
        ? { signature: new Uint8Array(64) }
        : n === 2
        ? { status: "alive" }
        : { id: new Uint8Array(16) },
    ],
  });
  assert.deepEqual(states, []);
  const uncounted = [["content", 1], ["request id", 3], ["signature", 1]];
  assert.deepEqual([...record.uncounted].toSorted(), uncounted);
});

Deno.test("exchange() counts what comes from another port for a pinned key alone", async () => {
  const hosts = { "192.0.2.20": () => [{ port: 1 }] };
  const { record, states } = await run(hosts);
  assert.deepEqual([states, [...record.uncounted]], [[], [["port", 5]]]);
  assert.deepEqual((await run(hosts, { expected: expectedOf(pinOf(1)) })).states, ["sql01 healed"]);
});

Deno.test("exchange() knows this machine by any of its addresses, and bounds what it notes of others", async () => {
  const { record } = await run({
    "192.0.2.20": () => [
      { from: "203.0.113.1" },
      ...Array.from({ length: 100 }, (_, i) => ({ from: `198.51.100.${i}` })),
    ],
  }, { isOwnAddress: (address) => address === "203.0.113.1" });
  assert.deepEqual(record.hosts.all().map(({ own }) => own), [true]);
  assert.equal(record.elsewhere.size, 64);
});

Deno.test("exchange() has 1,024 acks wait to be verified, for 15 s beyond twice the wait", async () => {
  const many: Behavior = (_, n) => n === 1 ? Array.from({ length: 1_030 }, () => ({})) : [];
  const { record, states } = await run({ "192.0.2.20": many }, {}, undefined, () => Infinity);
  assert.deepEqual([states, record.unverified], [[], 1_024]);
  assert.deepEqual([...record.uncounted], [["too many at once", 6]]);
  assert.equal(record.elapsedMs, 4_000 + 2 * 2_000 + 15_000);
});

Deno.test("exchange() doesn't end while somebody's ack is verified", async () => {
  const late: Behavior = (_, n) => n === 4 ? [{ key: 2 }] : [];
  const { states } = await run(
    { "192.0.2.20": heals, "192.0.2.21": late },
    { expected: countOf(1) },
    undefined,
    (key) => key.toHex() === hostKey(2).toHex() ? 5_000 : 0,
  );
  assert.deepEqual(states, ["sql01 healed", "sql02 healed"]);
});

Deno.test("exchange() repairs each of two clones by its own challenge", async () => {
  const clone = (n: number): Behavior => ({ challenge }) => {
    const own = new Uint8Array(8).fill(n);
    const hears = challenge.toHex() === own.toHex();
    return [{ instance: instance(n), ...hears ? {} : { status: "stale", challenge: own } }];
  };
  const { states } = await run({ "192.0.2.20": clone(1), "192.0.2.21": clone(2) });
  assert.deepEqual(states, ["sql01 healed", "sql01 healed"]);
});

Deno.test("exchange() sends no repair to where nothing was sent, not even for a pin", async () => {
  const { network, states } = await run(
    { "192.0.2.20": () => [{ from: "198.51.100.7", status: "stale" }] },
    { expected: expectedOf(pinOf(1)) },
  );
  assert.deepEqual([states, network.sent.length], [["? stale"], 5]);
});

Deno.test("exchange() counts a repaired request as its repair", async () => {
  const { states } = await run({
    "192.0.2.20": (request, n) =>
      isRepair(request) ? [{ status: "failed" }] : n === 1 ? [{ status: "stale" }] : [{}],
  });
  assert.deepEqual(states, ["sql01 failed"]);
});

Deno.test("exchange() ends on time under answers that change name, key and instance for ever", async () => {
  const many: Behavior = (_, n) =>
    Array.from({ length: 200 }, (_, i): Reply => ({
      key: 1 + (i % 7),
      host: `host${n}-${i}`,
      instance: instance(i),
      status: (["stale", "pending", "failed", "flushed"] as const)[i % 4],
      ...(i % 4 === 0 ? { host: "" } : {}),
      ...(i % 4 === 1 ? { micros: 4e9 } : {}),
      reports: i % 4 === 1 || i % 4 === 3 ? [reports.foreign] : [],
    }));
  const { record, network } = await run({ "192.0.2.20": many });
  assert.ok(record.elapsedMs <= 4_000 + 2 * 2_000 + 15_000);
  assert.ok(network.sent.length < 5 + 64 * 6);
});
