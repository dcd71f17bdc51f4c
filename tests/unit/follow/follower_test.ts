import assert from "node:assert/strict";
import fc from "fast-check";
import { messageOf } from "../../../lib/errors.ts";
import type { Link } from "../../../lib/follow/links.ts";
import { Follower } from "../../../lib/follow/follower.ts";
import { NotifyLines } from "../../../lib/follow/notify_fifo.ts";
import { AddressesLeft, joinedReason } from "../../../lib/sender/run.ts";
import { createTestTime, settle } from "../../support/test_time.ts";

interface Run {
  readonly at: number;
  readonly kind: "flush" | "probe";
  readonly link: string;
  readonly addresses: string[];
  readonly ended: () => string | null;
}

/** A router with two links, each with an address of its own, whose runs take 7 s. */
function createRouter(wrong: string | null = null) {
  const time = createTestTime();
  const start = time.monotonic();
  const held = new Map([["e0", new Set(["192.0.2.2"])], ["e1", new Set(["198.51.100.2"])]]);
  const runs: Run[] = [];
  const said: string[] = [];
  const readLinks = () =>
    new Map(
      [...held].map(([name, addresses]): [string, Link] => [name, {
        name,
        interfaceNames: [name],
        addresses: new Set(addresses),
      }]),
    );
  function carryOut(
    kind: Run["kind"],
    link: string,
    addresses: ReadonlySet<string>,
    ms: number,
    signal: AbortSignal,
  ): Promise<void> {
    const ended = () => {
      const hasLeft = signal.reason instanceof AddressesLeft;
      assert.equal(hasLeft, signal.aborted && /left/.test(messageOf(signal.reason)));
      return signal.aborted ? messageOf(signal.reason) : null;
    };
    runs.push({ at: time.monotonic() - start, kind, link, addresses: [...addresses], ended });
    return new Promise((resolve) => {
      time.after(ms, resolve);
      signal.addEventListener("abort", () => resolve());
    });
  }
  const follower = new Follower({
    time,
    joinMs: 2_000,
    readLinks,
    flush: ({ name, addresses }, signal) => carryOut("flush", name, addresses, 7_000, signal),
    async probe(links, signal) {
      const addresses = [...links.values()].flatMap((link) => [...link.addresses]);
      await carryOut("probe", "", new Set(addresses), 1_500, signal);
      return new Map(wrong === null ? [] : [["e1", wrong]]);
    },
    log: (_, text) => void said.push(text),
  });
  const lines = new NotifyLines();
  return {
    follower,
    held,
    runs,
    said,
    time,
    at: () => time.monotonic() - start,
    /** keepalived's line; `+` and `-` before a link's name: the instance's address comes or goes. */
    line(text: string, change = "", address = "192.0.2.254") {
      const addresses = held.get(change.slice(1));
      if (change.startsWith("+")) addresses?.add(address);
      if (change.startsWith("-")) addresses?.delete(address);
      follower.note(lines.add(new TextEncoder().encode(`${text}\n`)));
    },
  };
}

type Router = ReturnType<typeof createRouter>;
const flushes = ({ runs }: Router) =>
  runs.filter(({ kind }) => kind === "flush").map(({ at, link }) => [at, link]);
const master = (n = 1) => `INSTANCE "V${n}" MASTER 50`;
const backup = (n = 1) => `INSTANCE "V${n}" BACKUP 50`;
const lower = (n = 1) => `INSTANCE "V${n}" MASTER_RX_LOWER_PRI 100`;

Deno.test("Follower has the link flushed at once that got an address, and it alone", () => {
  const router = createRouter();
  router.line(master(), "+e0");
  assert.deepEqual(flushes(router), [[0, "e0"]]);
  assert.deepEqual(router.runs[0].addresses, ["192.0.2.2", "192.0.2.254"]);
  assert.match(
    router.said[0],
    /^INSTANCE V1 is MASTER: a flush on e0, which has 192\.0\.2\.254 now$/,
  );
  router.line('GROUP "G" MASTER 0');
  router.line(master());
  router.time.pass(60_000);
  assert.equal(router.runs.length, 1);
});

Deno.test("Follower makes of 40 instances on two links a request in 250 ms, and one after the last", () => {
  const router = createRouter();
  for (let n = 0; n < 40; n++) {
    const link = n % 2;
    router.line(master(n), `+e${link}`, `${link === 0 ? "192.0.2" : "198.51.100"}.${100 + n}`);
    router.time.pass(9);
  }
  router.time.pass(10_000);
  const of = (name: string) => router.runs.filter(({ link }) => link === name);
  for (const name of ["e0", "e1"]) {
    const times = of(name).map(({ at }) => at);
    const last = name === "e0" ? 38 * 9 : 39 * 9;
    assert.ok(times[0] <= 15, `${name} at ${times}`);
    assert.ok(times.at(-1) ?? 0 <= last + 100);
    assert.equal(times.length, 3, `${name} at ${times}`);
    assert.ok(times[1] - times[0] >= 250);
    // A later run asks for all that came, and takes the earlier ones over: one report.
    assert.equal(of(name).at(-1)?.addresses.length, 21);
    assert.deepEqual(of(name).map(({ ended }) => ended()), [joinedReason, joinedReason, null]);
  }
});

Deno.test("Follower lets a run that is older than 2 s go on to its end beside a new one", () => {
  const router = createRouter();
  router.line(master(1), "+e0");
  router.time.pass(2_500);
  router.line(master(2), "+e0", "192.0.2.253");
  assert.deepEqual(router.runs.map(({ ended }) => ended()), [null, null]);
});

Deno.test("Follower ends what runs for an address that has left, and asks no more about it", () => {
  for (const state of ["BACKUP", "FAULT", "STOP"]) {
    const router = createRouter();
    router.line(master(), "+e0");
    router.time.pass(1_200);
    router.line(`INSTANCE "V1" ${state} 50`, "-e0");
    assert.equal(router.runs[0].ended(), "192.0.2.254 has left e0");
    router.time.pass(60_000);
    const later = router.runs.slice(1);
    // Who was master and gives up in favor of another may be the only one that knows.
    assert.equal(later.length, state === "BACKUP" ? 1 : 0);
    for (const { addresses } of later) assert.deepEqual(addresses, ["192.0.2.2"]);
  }
});

Deno.test("Follower has a link flushed whose address was away for less than a look", () => {
  for (const since of [100, 500, 5_000]) {
    const router = createRouter();
    router.line(master(), "+e0");
    router.time.pass(since);
    // Both lines are acted on together, and nothing seems to have changed.
    router.line(backup());
    router.line('INSTANCE "V1" FAULT 50', "-e0");
    router.line(master(), "+e0");
    router.time.pass(1_000);
    assert.ok(router.runs.length >= 2, `${since} ms`);
    assert.ok(router.runs.at(-1)?.addresses.includes("192.0.2.254"));
  }
});

Deno.test("Follower sees an address leave after its line", () => {
  const router = createRouter();
  router.line(master(), "+e0");
  // A line so soon after the other would be acted on with a look of its own.
  router.time.pass(20);
  router.line('INSTANCE "V1" FAULT 50');
  router.held.get("e0")?.delete("192.0.2.254");
  assert.equal(router.runs[0].ended(), null);
  router.time.pass(100);
  assert.equal(router.runs[0].ended(), "192.0.2.254 has left e0");
});

Deno.test("Follower asks anew about what is left when one of two addresses has left", () => {
  const router = createRouter();
  router.line(master(1), "+e0");
  router.line(master(2), "+e0", "192.0.2.253");
  router.time.pass(1_000);
  router.line('INSTANCE "V1" FAULT 50', "-e0");
  assert.equal(router.runs[1].ended(), "192.0.2.254 has left e0");
  router.time.pass(100);
  assert.deepEqual(router.runs[2].addresses, ["192.0.2.2", "192.0.2.253"]);
  // Both leave, one after the other: there is no run in between.
  router.line('INSTANCE "V1" FAULT 50', "-e0", "192.0.2.253");
  router.time.pass(1_000);
  assert.equal(router.runs.length, 3);
});

Deno.test("Follower ends a run whose plan may have an address that came after it began", () => {
  const router = createRouter();
  router.line(master(1), "+e0");
  router.time.pass(100);
  router.line(master(2), "+e0", "192.0.2.253");
  router.time.pass(50);
  router.line('INSTANCE "V2" FAULT 50', "-e0", "192.0.2.253");
  assert.equal(router.runs[0].ended(), "192.0.2.253 has left e0");
  router.time.pass(1_000);
  assert.deepEqual(router.runs.slice(1).map(({ addresses }) => addresses), [
    ["192.0.2.2", "192.0.2.254"],
  ]);
});

Deno.test("Follower joins the loser of a split brain to the lines of many instances", () => {
  const router = createRouter();
  for (let n = 0; n < 10; n++) router.line(master(n), "+e0", `192.0.2.${100 + n}`);
  router.time.pass(10_000);
  const before = router.runs.length;
  for (let n = 0; n < 10; n++) {
    router.line(backup(n), "-e0", `192.0.2.${100 + n}`);
    router.time.pass(4);
  }
  router.time.pass(10_000);
  assert.equal(router.runs.length, before + 2);
  assert.deepEqual(router.runs.at(-1)?.addresses, ["192.0.2.2"]);
});

Deno.test("Follower has the instance's links flushed on MASTER_RX_LOWER_PRI, once in 5 s", () => {
  const router = createRouter();
  router.line(master(), "+e0");
  router.time.pass(20_000);
  for (let i = 0; i < 8; i++) {
    router.line(lower());
    router.time.pass(1_000);
  }
  router.time.pass(20_000);
  assert.deepEqual(flushes(router), [[0, "e0"], [20_000, "e0"], [25_000, "e0"], [30_000, "e0"]]);
});

Deno.test("Follower has all links flushed for an instance that it doesn't know", () => {
  for (const text of [lower(), master()]) {
    const router = createRouter();
    router.line(text);
    assert.deepEqual(flushes(router), [[0, "e0"], [0, "e1"]]);
  }
});

Deno.test("Follower does nothing for BACKUP at the start, for groups, and for a state told again", () => {
  const router = createRouter();
  for (let n = 0; n < 40; n++) router.line(backup(n));
  router.line('GROUP "G" BACKUP 0');
  router.line('GROUP "G" MASTER 0');
  router.time.pass(10_000);
  assert.deepEqual(router.runs, []);
});

Deno.test("Follower.note() finds an address whose line was lost", () => {
  const router = createRouter();
  router.held.get("e1")?.add("198.51.100.1");
  router.follower.note([]);
  assert.deepEqual(flushes(router), [[0, "e1"]]);
});

Deno.test("Follower.begin() probes, and has the links flushed where something is wrong", async () => {
  for (const wrong of [null, "sql01 STUCK 192.0.2.254"]) {
    const router = createRouter(wrong);
    const beginning = router.follower.begin();
    assert.deepEqual(router.runs.map(({ kind }) => kind), ["probe"]);
    await router.time.until(beginning);
    assert.deepEqual(flushes(router), wrong === null ? [] : [[1_500, "e1"]]);
  }
});

Deno.test("Follower.begin() has no link flushed that was flushed while the probe went on", async () => {
  const router = createRouter("sql01 STUCK 192.0.2.254");
  const beginning = router.follower.begin();
  router.line(master(), "+e1", "198.51.100.1");
  await router.time.until(beginning);
  assert.deepEqual(flushes(router), [[0, "e1"]]);
});

Deno.test("Follower survives a run that fails, and stops with all that it started", async () => {
  const time = createTestTime();
  const said: string[] = [];
  const follower = new Follower({
    time,
    joinMs: 2_000,
    readLinks: () =>
      new Map([["e0", { name: "e0", interfaceNames: ["e0"], addresses: new Set() }]]),
    flush: (_, signal) => {
      if (said.length === 1) return Promise.reject(new Error("Cannot read key file"));
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    },
    probe: () => Promise.reject(new Error("Cannot read key file")),
    log: (_, text) => void said.push(text),
  });
  const line = { type: "INSTANCE", state: "MASTER_RX_LOWER_PRI" } as const;
  follower.note([{ ...line, name: "V1" }]);
  await settle();
  await follower.begin();
  assert.equal(said.pop(), "Cannot probe: Cannot read key file");
  assert.equal(said.at(-1), "Cannot flush on e0: Cannot read key file");
  time.pass(6_000);
  follower.note([{ ...line, name: "V1" }]);
  await time.until(follower.stop(500));
  await settle();
  follower.note([{ ...line, name: "V1" }]);
  time.pass(60_000);
  assert.equal(time.timers, 0);
  assert.equal(said.length, 3);
});

Deno.test("Follower asks about every address that stays, and after it left about none, whatever comes", () => {
  const step = fc.record({
    n: fc.nat(5),
    state: fc.constantFrom("MASTER", "BACKUP", "FAULT", "MASTER_RX_LOWER_PRI"),
    waitMs: fc.nat(400),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const router = createRouter();
    for (const { n, state, waitMs } of steps) {
      const change = state === "MASTER" ? "+" : state.length > 6 ? "" : "-";
      const address = `192.0.2.${100 + n}`;
      router.line(`INSTANCE "V${n}" ${state} 50`, change && `${change}e0`, address);
      // Lines that come so fast are acted on together.
      router.time.pass(15);
      const open = router.runs.filter(({ link, ended }) => link === "e0" && ended() === null);
      const recent = open.filter(({ at }) => router.at() - at < 7_000);
      for (const run of recent) {
        for (const asked of run.addresses) assert.ok(router.held.get("e0")?.has(asked), asked);
      }
      router.time.pass(waitMs);
    }
    router.time.pass(300);
    const last = router.runs.findLast(({ link }) => link === "e0");
    const came = steps.filter(({ state }) => state === "MASTER").length > 0;
    const held = [...router.held.get("e0") ?? []];
    if (came && held.length > 1) {
      for (const address of held) assert.ok(last?.addresses.includes(address), address);
    }
    for (const { at } of router.runs) {
      const near = router.runs.filter((run) => run.link === "e0" && Math.abs(run.at - at) < 100);
      assert.ok(near.length <= 2, `${near.length} requests within 100 ms`);
    }
  }));
});
