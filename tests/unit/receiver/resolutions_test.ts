import fc from "fast-check";
import assert from "node:assert/strict";
import { type FoundNeighbor, NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { Resolutions } from "../../../lib/receiver/resolutions.ts";
import { type AddressPrefix, formatAddress, parsePrefix } from "../../../lib/wire/addresses.ts";
import { emptyCache } from "../../support/empty_cache.ts";
import { step } from "../../support/schedules.ts";
import { createTestTime, settle } from "../../support/test_time.ts";
import { keepReport, manyAddresses } from "./harness.ts";

const router = parsePrefix("192.0.2.1");

function found(last: number): FoundNeighbor {
  return {
    state: "neighbor",
    cached: true,
    linkLayerAddress: Uint8Array.of(2, 0, 0, 0, 0, last),
  };
}
const silent: FoundNeighbor = {
  state: "no neighbor",
  cached: false,
  linkLayerAddress: new Uint8Array(6),
};

/** Resolutions over a cache in which each address answers after a time, or nobody within 1 s. */
function start(answersAfter: (address: string, begun: number) => number | null = () => null) {
  const time = createTestTime();
  const begin = time.monotonic();
  const kept = keepReport();
  /** Which address began to be resolved when, for which source. */
  const begun: { address: string; at: number; source: string }[] = [];
  let calls = 0;
  let failure: Error | null = null;
  const cache = {
    ...emptyCache,
    resolve(
      addresses: readonly AddressPrefix[],
      source?: AddressPrefix,
      settled?: (index: number, found: FoundNeighbor) => void,
    ) {
      calls++;
      if (failure !== null) return Promise.reject(failure);
      const results = addresses.map((one, i) => {
        const text = formatAddress(one);
        const at = time.monotonic() - begin;
        begun.push({
          address: text,
          at,
          source: source === undefined ? "" : formatAddress(source),
        });
        const after = answersAfter(text, begun.filter((other) => other.address === text).length);
        return new Promise<FoundNeighbor>((resolve) =>
          time.after(after ?? 1_000, () => {
            const result = after === null ? silent : found(begun.length);
            settled?.(i, result);
            resolve(result);
          })
        );
      });
      return Promise.all(results);
    },
  };
  const resolutions = new Resolutions({ cache, report: kept.report, time });
  let asks = 0;
  const ended: { number: number; asked: string; at: number; found: FoundNeighbor[] }[] = [];
  return {
    ...kept,
    time,
    begun,
    ended,
    resolutions,
    calls: () => calls,
    fail: (error: Error | null) => void (failure = error),
    now: () => time.monotonic() - begin,
    ask(addresses: readonly AddressPrefix[], source = router): void {
      const number = asks++;
      resolutions.resolve(addresses, source).then((found) =>
        ended.push({
          number,
          asked: addresses.map(formatAddress).join(" "),
          at: time.monotonic() - begin,
          found,
        })
      );
    },
    async pass(ms: number) {
      // In steps, so that what a timer starts begins at its own time.
      for (let left = ms; left > 0; left -= 50) {
        time.pass(Math.min(50, left));
        await settle();
      }
    },
  };
}

const a = parsePrefix("192.0.2.101");
const b = parsePrefix("192.0.2.102");

Deno.test("Resolutions begin at once, all of a request by one call, and end each by itself", async () => {
  const { ask, pass, begun, ended, calls } = start((text) => text.endsWith("1") ? 50 : null);
  ask([a, b]);
  assert.deepEqual(begun.map(({ at }) => at), [0, 0]);
  assert.equal(calls(), 1);
  ask([a]);
  await pass(1_000);
  assert.deepEqual(ended.map(({ asked, at }) => [asked, at]), [
    // Its own resolution begins when the first of this address has ended, not when all have.
    ["192.0.2.101", 100],
    ["192.0.2.101 192.0.2.102", 1_000],
  ]);
  assert.deepEqual(ended[1].found.map(({ state }) => state), ["neighbor", "no neighbor"]);
});

Deno.test("Resolutions run one for an address, and one waits that all others join", async () => {
  const { ask, pass, begun, ended } = start();
  for (let i = 0; i < 10; i++) ask([a]);
  assert.equal(begun.length, 1);
  await pass(2_000);
  assert.deepEqual(begun.map(({ at }) => at), [0, 1_000]);
  assert.deepEqual(ended.map(({ at }) => at), [1_000, ...Array(9).fill(2_000)]);
});

Deno.test("Resolutions give a report for each of a request's addresses, equal ones included", async () => {
  const { ask, pass, ended } = start();
  ask([a, b, a]);
  await pass(2_000);
  assert.equal(ended[0].found.length, 3);
});

Deno.test("Resolutions begin 550 addresses in any second, the rest in order", async () => {
  const { ask, pass, begun, ended } = start(() => 1);
  const many = manyAddresses(1_500);
  for (let i = 0; i < many.length; i += 55) ask(many.slice(i, i + 55));
  assert.equal(begun.length, 550);
  await pass(3_000);
  assert.equal(begun.length, 1_500);
  assert.deepEqual(begun.map(({ address }) => address), many.map(formatAddress));
  for (let i = 550; i < begun.length; i++) assert.ok(begun[i].at - begun[i - 550].at >= 1_000);
  assert.ok(ended.every(({ at }) => at <= 2_050));
});

Deno.test("Resolutions begin anew when a flush takes away what they look for", async () => {
  const { ask, pass, begun, ended, resolutions } = start((text) => text.endsWith("1") ? null : 50);
  ask([a, b]);
  await pass(900);
  resolutions.restart("all");
  // Who asked before the flush needn't wait for another one.
  await pass(1_100);
  assert.deepEqual(begun.map(({ address, at }) => [address, at]), [
    ["192.0.2.101", 0],
    ["192.0.2.102", 0],
    ["192.0.2.101", 900],
  ]);
  assert.deepEqual(ended.map(({ at }) => at), [1_900]);
});

Deno.test("Resolutions that begin anew take along who waits for the next", async () => {
  const { ask, pass, begun, ended, resolutions } = start();
  ask([a]);
  await pass(100);
  ask([a]);
  await pass(800);
  resolutions.restart("all");
  await pass(1_000);
  assert.equal(begun.length, 2);
  assert.deepEqual(ended.map(({ at }) => at), [1_900, 1_900]);
});

Deno.test("Resolutions begin anew only for what the flush covers, and only in time", async () => {
  const { ask, pass, begun, resolutions, ended } = start();
  ask([a]);
  resolutions.restart([parsePrefix("10.0.0.0/8")]);
  assert.equal(begun.length, 1);
  resolutions.restart(["10.0.0.0/8", "192.0.2.0/24"].map(parsePrefix));
  assert.equal(begun.length, 2);
  await pass(950);
  resolutions.restart("all");
  await pass(50);
  resolutions.restart("all");
  assert.equal(begun.length, 4);
  await pass(50);
  // Now it would end later than 2 s after it was asked for.
  resolutions.restart("all");
  assert.equal(begun.length, 4);
  await pass(950);
  assert.deepEqual(ended.map(({ at }) => at), [2_000]);
});

Deno.test("Resolutions count the time of those who wait for the next from when the first asked", async () => {
  const { ask, pass, begun, resolutions } = start();
  for (const ms of [100, 800, 150]) {
    ask([a]);
    await pass(ms);
  }
  assert.equal(begun.length, 2, "at 0 and 1,000 ms, for who asked at 100 and 900");
  resolutions.restart("all");
  assert.equal(begun.length, 3, "at 1,050 ms");
  await pass(100);
  resolutions.restart("all");
  assert.equal(begun.length, 3, "at 1,150 ms");
});

Deno.test("Resolutions that had to wait for their turn begin anew like others", async () => {
  const { ask, pass, begun, resolutions } = start();
  const many = manyAddresses(550);
  ask(many);
  ask([a]);
  resolutions.restart([a]);
  assert.equal(begun.length, 550, "their turn comes first");
  await pass(1_000);
  assert.equal(begun.length, 551);
  await pass(500);
  resolutions.restart([a]);
  assert.equal(begun.length, 552);
});

Deno.test("Resolutions report what fails as unknown, say so once, and go on", async () => {
  const { ask, pass, ended, fail, saidOf } = start(() => 1);
  fail(new NeighborCacheError("ip hangs", 110));
  ask([a, b]);
  ask([a]);
  await settle();
  assert.deepEqual(ended.flatMap(({ found }) => found.map(({ state }) => state)), [
    "unknown",
    "unknown",
    "unknown",
  ]);
  assert.deepEqual(saidOf("lookFailed").map(({ values }) => values.error), ["ip hangs"]);
  fail(null);
  ask([a]);
  await pass(50);
  assert.equal(ended[2].found[0].state, "neighbor");
});

Deno.test("Resolutions ask for a link-local address on the link of each source, queued ones too", async () => {
  for (const before of [0, 550]) {
    const { ask, begun, pass } = start();
    const linkLocal = parsePrefix("fe80::1");
    ask(manyAddresses(before));
    ask([linkLocal, a], parsePrefix("fe80::a"));
    ask([linkLocal, a], parsePrefix("fe80::b"));
    await pass(1_000);
    const asked = begun.slice(before, before + 3).map(({ address, source }) => [address, source]);
    assert.deepEqual(asked, [
      ["fe80::1", "fe80::a"],
      ["192.0.2.101", "fe80::a"],
      ["fe80::1", "fe80::b"],
    ]);
  }
});

Deno.test("Resolutions stopped leave what is queued unknown and no timer for it", async () => {
  const { ask, pass, ended, resolutions, time } = start(() => 1);
  const many = manyAddresses(1_100);
  for (const one of many) ask([one]);
  resolutions.stop();
  await pass(50);
  assert.equal(ended.length, 1_100);
  assert.equal(ended.filter(({ found }) => found[0].state === "unknown").length, 550);
  assert.equal(time.timers, 0);
});

Deno.test("Resolutions end within 2 s, begun after they were asked for, in any schedule", async () => {
  const texts = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
  const steps = fc.array(
    fc.oneof(
      step("pass", { ms: fc.integer({ min: 1, max: 1_200 }) }),
      step("flush", {}),
      step("ask", { of: fc.subarray(texts, { minLength: 1 }) }, 2),
    ),
    { maxLength: 20 },
  );
  let restarted = 0;
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.option(fc.nat(900))), async (schedule, answers) => {
      let next = 0;
      const { ask, pass, begun, ended, now, resolutions } = start(() => answers[next++] ?? null);
      const asked: { at: number; texts: string[] }[] = [];
      for (const one of schedule) {
        if (one.kind === "pass") await pass(one.ms);
        if (one.kind === "flush") {
          const before = begun.length;
          resolutions.restart("all");
          restarted += begun.length - before;
        }
        if (one.kind === "ask") {
          asked.push({ at: now(), texts: one.of });
          ask(one.of.map(parsePrefix));
        }
      }
      await pass(2_100);
      assert.equal(ended.length, asked.length);
      for (const [number, { at, texts }] of asked.entries()) {
        const end = ended.find((one) => one.number === number);
        // What a timer starts begins up to 50 ms late here, twice at most.
        assert.ok(end !== undefined && end.at <= at + 2_100, `asked at ${at}`);
        for (const text of texts) {
          assert.ok(begun.some((one) => one.address === text && one.at >= at && one.at <= end.at));
        }
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(restarted > 300, `only ${restarted} began anew`);
});

Deno.test("Resolutions have 65,536 addresses wait, and say that more were left out", async () => {
  for (const more of [0, 1]) {
    const { resolutions, saidOf } = start(() => 1);
    const many = manyAddresses(65_536 + more);
    const resolved = resolutions.resolve(many, parsePrefix("192.0.2.9"));
    assert.deepEqual(
      saidOf("lookOverload").map(({ values }) => values),
      Array(more).fill({ who: "192.0.2.9" }),
    );
    resolutions.giveUp();
    assert.equal((await resolved).length, many.length);
  }
});

Deno.test("Resolutions begin once for all who ask while an address waits", async () => {
  const { ask, begun, ended, pass } = start(() => 1);
  const many = manyAddresses(551);
  const last = formatAddress(many[550]);
  ask(many);
  ask([many[550]]);
  await pass(2_000);
  assert.equal(ended.length, 2);
  assert.equal(begun.filter(({ address }) => address === last).length, 1);
});
