import fc from "fast-check";
import assert from "node:assert/strict";
import {
  type FlushScope,
  type NeighborCache,
  NeighborCacheError,
} from "../../../lib/neighbors/neighbor_cache.ts";
import { Counters } from "../../../lib/receiver/counters.ts";
import { Flusher } from "../../../lib/receiver/flusher.ts";
import { type AddressPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { createTestTime, settle, type TestTime } from "../../support/test_time.ts";
import { covers, keepReport, manyAddresses, notingCache, removing } from "./harness.ts";

const holdDown = 10_000;
const maxStarts = 3;

const prefixes = (...texts: string[]) => texts.map(parsePrefix);

/** A flusher with a hold-down of 10 s, and when what was asked of it ended. */
function startFlusher(time: TestTime = createTestTime(), parts: Partial<NeighborCache> = {}) {
  const begin = time.monotonic();
  const kept = keepReport();
  const noted = notingCache(parts);
  const started: FlushScope[] = [];
  const removed: AddressPrefix[] = [];
  const flusher = new Flusher({
    cache: noted.cache,
    report: kept.report,
    counters: new Counters(),
    time,
    started: (scope) => void started.push(scope),
    removed: (addresses) => void removed.push(...addresses),
  }, holdDown);
  const ended: string[] = [];
  return {
    ...kept,
    ...noted,
    time,
    started,
    removed,
    ended,
    flusher,
    request(scope: FlushScope, who: string) {
      const flush = flusher.request(scope, who);
      flush.ended.then(() => ended.push(`${who} ${time.monotonic() - begin}`));
      return flush;
    },
    async pass(ms: number) {
      time.pass(ms);
      await settle();
    },
  };
}

Deno.test("Flusher starts three flushes at once and then holds down, each for its own period", () => {
  const { request, time, flushes } = startFlusher();
  for (const ms of [1, 1, 1]) {
    request("all", "a");
    time.pass(ms);
  }
  request("all", "a");
  time.pass(holdDown - 4);
  assert.equal(flushes.length, 3);
  time.pass(1);
  assert.equal(flushes.length, 4);
  assert.equal(request("all", "a").hasStarted, false, "the second start was a millisecond later");
  time.pass(1);
  assert.equal(flushes.length, 5);
  time.pass(holdDown);
  assert.equal(request("all", "a").hasStarted, true);
});

Deno.test("Flusher.finish() does what is pending: a start at its own time, none without a request", async () => {
  const { flusher, request, time, flushes, ended } = startFlusher();
  await flusher.finish();
  for (let i = 0; i < 4; i++) request("all", "a");
  time.pass(5_000);
  await flusher.finish();
  assert.deepEqual([flushes.length, ended.at(-1), time.timers], [4, "a 5000", 0]);
  time.pass(5_000);
  const asked = [1, 2, 3].map(() => request("all", "a").hasStarted);
  assert.deepEqual(asked, [true, true, false]);
  time.pass(5_000);
  assert.equal(flushes.length, 7);
});

Deno.test("Flusher merges what is pending: all wins, what is covered is left out, 256 prefixes at most", async () => {
  const many = manyAddresses(256);
  const cases: [FlushScope, FlushScope, FlushScope][] = [
    ["all", prefixes("192.0.2.1"), "all"],
    [prefixes("192.0.2.1"), "all", "all"],
    [
      prefixes("192.0.2.1", "192.0.2.2"),
      prefixes("192.0.2.2", "192.0.2.3"),
      prefixes("192.0.2.1", "192.0.2.2", "192.0.2.3"),
    ],
    [
      prefixes("192.0.2.0/24"),
      prefixes("192.0.2.1", "2001:db8::1"),
      prefixes("192.0.2.0/24", "2001:db8::1"),
    ],
    [many.slice(0, 255), many.slice(255), many],
    [many, prefixes("192.0.2.1"), "all"],
  ];
  for (const [first, second, merged] of cases) {
    const { flusher, request, flushes } = startFlusher();
    for (let i = 0; i < maxStarts; i++) request("all", "a");
    request(first, "a");
    request(second, "a");
    await flusher.finish();
    assert.deepEqual(flushes[maxStarts], merged);
  }
});

const scopes = fc.oneof(
  fc.constant("all" as const),
  fc.array(
    fc.constantFrom(...prefixes("192.0.2.1", "192.0.2.2", "192.0.2.0/24", "2001:db8::1")),
    { minLength: 1, maxLength: 3 },
  ),
);
/** Gaps between requests: none, small, and those around the hold-down period. */
const schedules = fc.array(
  fc.record({
    gap: fc.oneof(fc.constant(0), fc.nat(50), fc.nat(12_000), fc.constant(holdDown)),
    scope: scopes,
  }),
  { minLength: 1, maxLength: 30 },
);

Deno.test("Flusher keeps the gate's promise in 3,000 random schedules", () => {
  let begun = 0, delayed = 0;
  fc.assert(
    fc.property(schedules, (schedule) => {
      const time = createTestTime();
      const starts: { at: number; scope: FlushScope }[] = [];
      const { request } = startFlusher(time, {
        flush(scope) {
          starts.push({ at: time.monotonic(), scope });
          return new Promise(() => {});
        },
      });
      const asked: { at: number; scope: FlushScope }[] = [];
      for (const { gap, scope } of schedule) {
        time.pass(gap);
        asked.push({ at: time.monotonic(), scope });
        request(scope, "a").hasStarted ? begun++ : delayed++;
      }
      time.pass(holdDown);
      for (const { at, scope } of asked) {
        const done = starts.some((start) =>
          start.at >= at && start.at <= at + holdDown && covers(start.scope, scope)
        );
        assert.ok(done, `asked at ${at}, starts at ${starts.map((start) => start.at)}`);
      }
      for (let i = maxStarts; i < starts.length; i++) {
        assert.ok(starts[i].at - starts[i - maxStarts].at >= holdDown);
      }
      assert.ok(starts.length <= asked.length);
    }),
    { numRuns: 3_000 },
  );
  assert.ok(begun > 1_000 && delayed > 1_000, "schedules too easy to prove anything");
});

Deno.test("Flusher ends the flush of each requester, pending ones when due, by one flush", async () => {
  const { request, pass, time, flushes, ended, saidOf, started } = startFlusher();
  const asked = ["a", "b", "c", "d", "e"].map((who) => request("all", who));
  assert.deepEqual(asked.map(({ hasStarted }) => hasStarted), [true, true, true, false, false]);
  assert.equal(flushes.length, 3);
  assert.deepEqual(started, ["all", "all", "all"]);
  assert.equal(time.timers, 1);
  await settle();
  assert.deepEqual(ended, ["a 0", "b 0", "c 0"]);
  await pass(holdDown - 1);
  assert.equal(flushes.length, 3);
  await pass(1);
  assert.deepEqual(ended.slice(3), [`d ${holdDown}`, `e ${holdDown}`]);
  assert.deepEqual(saidOf("flushed").map(({ values }) => values.who), ["a", "b", "c", "d, e"]);
  await pass(holdDown);
  assert.equal(flushes.length, 4);
  assert.equal(time.timers, 0);
});

Deno.test("Flusher has no timer while nothing is pending", () => {
  const { flusher, request, time } = startFlusher();
  flusher.setHoldDown(1_000);
  assert.equal(time.timers, 0);
  request("all", "a");
  flusher.setHoldDown(2_000);
  assert.equal(time.timers, 0);
});

Deno.test("Flusher waits on when a timer is early", async () => {
  const time = createTestTime();
  const early = (ms: number, run: () => void) => time.after(ms > 5 ? ms - 5 : ms, run);
  const { request, flushes } = startFlusher({ ...time, after: early });
  for (let i = 0; i < 4; i++) request("all", "a");
  time.pass(holdDown - 1);
  await settle();
  assert.equal(flushes.length, 3);
  time.pass(1);
  assert.equal(flushes.length, 4);
});

Deno.test("Flusher.setHoldDown() moves the timer of what is pending", async () => {
  const { flusher, request, pass, time, flushes } = startFlusher();
  for (let i = 0; i < 4; i++) request("all", "a");
  flusher.setHoldDown(1_000);
  assert.equal(time.timers, 1);
  await pass(1_000);
  assert.equal(flushes.length, 4);
});

Deno.test("Flusher flushes for more requesters than it names, and counts them", async () => {
  const { request, pass, flushes, ended, saidOf } = startFlusher();
  for (let i = 0; i < 5_000; i++) request("all", `requester ${i}`);
  await pass(holdDown);
  assert.equal(flushes.length, 4);
  assert.equal(ended.length, 5_000);
  assert.match(String(saidOf("flushed")[3].values.who), / and 4091 more$/);
});

Deno.test("Flusher.delete() is never held down and takes no start from the gate", async () => {
  const { flusher, request, flushes } = startFlusher();
  for (let i = 0; i < 20; i++) {
    flusher.delete([parsePrefix(`192.0.2.${i}`)], "a");
    await settle();
  }
  assert.equal(flushes.length, 20);
  for (let i = 0; i < 3; i++) assert.ok(request("all", "a").hasStarted);
  flusher.delete([parsePrefix("192.0.2.1")], "a");
  assert.equal(flushes.length, 24);
});

Deno.test("Flusher.delete() runs 8 at once, and one for all that ask meanwhile", async () => {
  const turns: (() => void)[] = [];
  const scopes: FlushScope[] = [];
  const { flusher, saidOf } = startFlusher(createTestTime(), {
    flush(scope) {
      scopes.push(scope);
      return new Promise((resolve) => turns.push(() => resolve(removing(1))));
    },
  });
  const ended = manyAddresses(5_008).map((one, i) => flusher.delete([one], `router ${i}`));
  assert.equal(scopes.length, 8);
  turns[0]();
  await settle();
  assert.equal(scopes.length, 9);
  assert.equal(scopes[8].length, 5_000);
  const all = Promise.all(ended);
  for (const end of turns) end();
  assert.equal((await all).length, 5_008);
  assert.match(String(saidOf("flushed").at(-1)?.values.who), / and 4091 more$/);
});

Deno.test("Flusher tells what a flush was of and which addresses it removed, a failing one none", async () => {
  const forgotten = [parsePrefix("192.0.2.1")];
  const { flusher, request, removed, saidOf } = startFlusher(createTestTime(), {
    flush: () => Promise.resolve(removing(2, { forgotten })),
  });
  await request("all", "a").ended;
  await flusher.delete([parsePrefix("192.0.2.2")], "a");
  assert.deepEqual(removed, [...forgotten, ...forgotten]);
  assert.deepEqual(saidOf("flushed").map(({ values }) => values.scope), ["all", "192.0.2.2"]);
  const failing = startFlusher(createTestTime(), {
    flush: () => Promise.reject(new NeighborCacheError("Not permitted", 1)),
  });
  assert.ok(await failing.request("all", "a").ended instanceof NeighborCacheError);
  assert.deepEqual(failing.removed, []);
});
