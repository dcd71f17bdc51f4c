import assert from "node:assert/strict";
import { MetricsFile } from "../../../lib/metrics/metrics_file.ts";
import { Counters } from "../../../lib/receiver/counters.ts";
import { createTestTime, settle } from "../../support/test_time.ts";
import { keepReport } from "../receiver/harness.ts";

/** A metrics file whose time the test advances and whose writes it holds, fails or sees. */
function start() {
  const time = createTestTime();
  const begin = time.monotonic();
  const kept = keepReport();
  const counters = new Counters();
  const done: string[] = [];
  let failure: Error | null = null;
  let held: Promise<void> | null = null;
  const file = new MetricsFile({
    counters,
    text: () => `${counters.counted.accepted}\n`,
    report: kept.report,
    time,
    files: {
      async replace(path, text) {
        const at = time.monotonic() - begin;
        if (held !== null) await held;
        done.push(`${at} ${failure === null ? path : "failed"} ${text.trim()}`);
        if (failure !== null) throw failure;
      },
      remove(path) {
        done.push(`remove ${path}`);
        return failure === null ? Promise.resolve() : Promise.reject(failure);
      },
    },
  });
  return {
    ...kept,
    file,
    time,
    /** What was done since it was asked last. */
    done: () => done.splice(0),
    fail: (error: Error | null) => void (failure = error),
    /** Lets no write end before this does. */
    hold: (until: Promise<void> | null) => void (held = until),
    count: () => counters.count("accepted"),
    async pass(ms: number, step = 100) {
      for (let passed = 0; passed < ms; passed += step) {
        time.pass(step);
        await settle();
      }
    },
  };
}

Deno.test("MetricsFile writes a change a second later, a burst of them once, none only after a minute", async () => {
  const { file, count, done, pass } = start();
  file.configure("/a");
  await settle();
  await pass(59_900);
  assert.deepEqual(done(), ["0 /a 0"]);
  await pass(100);
  assert.deepEqual(done(), ["60000 /a 0"]);
  await pass(300);
  for (let i = 0; i < 1_000; i++) count();
  await pass(900);
  assert.deepEqual(done(), []);
  await pass(100);
  assert.deepEqual(done(), ["61300 /a 1000"]);
  await pass(30_000);
  assert.deepEqual(done(), []);
});

Deno.test("MetricsFile writes at most once a second whatever is counted", async () => {
  const { file, count, done, pass } = start();
  file.configure("/a");
  await settle();
  for (let i = 0; i < 1_000; i++) {
    count();
    await pass(10, 10);
  }
  const at = done().map((one) => parseInt(one));
  assert.equal(at.length, 11);
  for (let i = 1; i < at.length; i++) assert.ok(at[i] - at[i - 1] >= 1_000, `${at}`);
});

Deno.test("MetricsFile counts a write under way for no other, and writes what changed meanwhile", async () => {
  const { file, count, done, hold, pass } = start();
  const { promise, resolve } = Promise.withResolvers<void>();
  hold(promise);
  file.configure("/a");
  await settle();
  count();
  await pass(10_000);
  assert.deepEqual(done(), []);
  hold(null);
  resolve();
  await settle();
  assert.deepEqual(done(), ["0 /a 0"]);
  await pass(1_000);
  assert.deepEqual(done(), ["11000 /a 1"]);
});

Deno.test("MetricsFile says a failure that lasts once, tries every second, and says that it works again", async () => {
  const { file, count, done, fail, said, pass } = start();
  file.configure("/a");
  await settle();
  fail(new Deno.errors.NotFound("No such file or directory (os error 2): open '/a.tmp'"));
  count();
  await pass(1_000);
  assert.deepEqual(said, [], "one failure may be a reader of the file");
  await pass(9_000);
  assert.deepEqual(said, [{
    event: "metricsFailed",
    values: { path: "/a", error: "No such file or directory" },
  }]);
  assert.equal(done().length, 11);
  fail(null);
  await pass(1_000);
  assert.deepEqual(said.slice(1), [{ event: "metricsWork", values: { path: "/a" } }]);
  assert.deepEqual(done(), ["11000 /a 1"]);
  await pass(30_000);
  assert.deepEqual(done(), []);
});

Deno.test("MetricsFile.configure() moves the file, removes the old one, and turns it off and on", async () => {
  const { file, time, count, done, pass } = start();
  file.configure("/a");
  file.configure("/b");
  await settle();
  assert.deepEqual(done(), ["remove /a", "0 /b 0"]);
  file.configure("");
  await settle();
  assert.deepEqual(done(), ["remove /b"]);
  count();
  await pass(120_000);
  assert.deepEqual(done(), []);
  assert.equal(time.timers, 0);
  file.configure("/a");
  await settle();
  assert.deepEqual(done(), ["120000 /a 1"]);
  for (const path of ["/b", "", "/c", "/a"]) file.configure(path);
  await settle();
  assert.deepEqual(done(), ["remove /b", "remove /c", "120000 /a 1"]);
});

Deno.test("MetricsFile.configure() with the same path counts as a change: the keys may be others", async () => {
  const { file, done, pass } = start();
  file.configure("/a");
  await settle();
  done();
  for (let i = 0; i < 1_000; i++) file.configure("/a");
  await pass(1_000);
  assert.deepEqual(done(), ["1000 /a 0"]);
});

Deno.test("MetricsFile.configure() says that an old file can't be removed", async () => {
  const { file, fail, said } = start();
  file.configure("/a");
  await settle();
  fail(new Error("Read-only file system (os error 30)"));
  file.configure("");
  await settle();
  assert.deepEqual(said, [{
    event: "metricsNotRemoved",
    values: { path: "/a", error: "Read-only file system" },
  }]);
});

Deno.test("MetricsFile.stop() writes a last time, leaves the file and no timer, and does nothing where it is off", async () => {
  const { file, time, count, done, pass } = start();
  file.configure("/a");
  await settle();
  count();
  done();
  await file.stop();
  assert.deepEqual(done(), ["0 /a 1"]);
  count();
  file.configure("/b");
  await pass(120_000);
  assert.deepEqual(done(), []);
  assert.equal(time.timers, 0);
  const off = start();
  await off.file.stop();
  assert.deepEqual(off.done(), []);
});
