/** The small parts that keep the receive path bounded. */
import assert from "node:assert/strict";
import { createJobQueue } from "../../../lib/receiver/answers.ts";
import { createLimitedReport, createRateLimit } from "../../../lib/receiver/rate_limits.ts";
import { keepReport } from "./helpers.ts";

Deno.test("createRateLimit() lets so many through in any period, not only in aligned ones", () => {
  const passes = createRateLimit(2, 1_000);
  const passed = [0, 900, 950, 999, 1_000, 1_001, 1_899, 1_900].filter(passes);
  assert.deepEqual(passed, [0, 900, 1_000, 1_900]);
});

Deno.test("createLimitedReport() says the first and then one a minute, and builds no other text", () => {
  let now = 0, built = 0;
  const { report, saidOf } = keepReport();
  const say = createLimitedReport(report, "ackFailed", () => now);
  for (now = 0; now <= 120_000; now += 1_000) say(() => ({ error: String(++built) }));
  assert.equal(saidOf("ackFailed").length, 3);
  assert.equal(built, 3);
});

/** A job that ends when told. */
function openJob(log: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return {
    job: () => {
      log.push(name);
      return promise;
    },
    end: () => resolve(name),
    fail: () => reject(new Error(name)),
  };
}

Deno.test("createJobQueue() runs so many at once, then those that wait, in order", async () => {
  const log: string[] = [];
  const run = createJobQueue<string>(2, 10);
  const jobs = ["a", "b", "c", "d"].map((name) => openJob(log, name));
  const results = jobs.map(({ job }, i) => run(String(i), job));
  await Promise.resolve();
  assert.deepEqual(log, ["a", "b"]);
  jobs[1].end();
  assert.equal(await results[1], "b");
  await Promise.resolve();
  assert.deepEqual(log, ["a", "b", "c"]);
  for (const { end } of jobs) end();
  assert.deepEqual(await Promise.all(results), ["a", "b", "c", "d"]);
});

Deno.test("createJobQueue() shares a job that waits, not one that runs", async () => {
  const log: string[] = [];
  const run = createJobQueue<string>(1, 10);
  const first = openJob(log, "first"), second = openJob(log, "second");
  const results = [
    run("k", first.job),
    run("k", second.job),
    run("k", () => Promise.resolve("third")),
  ];
  first.end();
  second.end();
  assert.deepEqual(await Promise.all(results), ["first", "second", "second"]);
});

Deno.test("createJobQueue() turns away what is too much, and goes on after a failure", async () => {
  const log: string[] = [];
  const run = createJobQueue<string>(1, 1);
  const first = openJob(log, "first"), second = openJob(log, "second");
  const failing = run("1", first.job);
  const waiting = run("2", second.job);
  assert.equal(run("3", second.job), null);
  first.fail();
  assert.ok(failing !== null);
  await assert.rejects(failing, /first/);
  second.end();
  assert.equal(await waiting, "second");
});
