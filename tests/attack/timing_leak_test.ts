/** The measurement of tests/measure/constant_time.ts: its statistic, and that it sees a leak. */
import assert from "node:assert/strict";
import { measureLeak, tBounds, welch } from "../measure/timing_leak.ts";
import { run } from "../support/command.ts";

Deno.test("welch() gives the t statistic of the second class against the first", () => {
  const times = Float64Array.of(1, 2, 3, 5, 7, 9, 1_000);
  const classes = Uint8Array.of(0, 0, 0, 1, 1, 1, 1);
  const { t, difference } = welch(times, classes, 9);
  assert.equal(difference, 5);
  // Variances 1 and 4 of three each.
  assert.ok(Math.abs(t - 5 / Math.sqrt(1 / 3 + 4 / 3)) < 1e-12);
});

Deno.test("measureLeak() sees a function that stops early", () => {
  const secret = new Uint8Array(256).fill(1);
  const guess = new Uint8Array(256);
  const leak = measureLeak({
    name: "stops early",
    prepare: (one) => void guess.fill(one),
    call: () => guess.every((byte, i) => byte === secret[i]),
  }, 40_000);
  assert.equal(leak.calls, 40_000);
  assert.ok(leak.t > tBounds.certain && leak.differenceNs > 0, `t is ${leak.t}`);
});

Deno.test("tests/measure/constant_time.ts finds no certain leak, with small numbers", async () => {
  const path = `${import.meta.dirname}/../measure/constant_time.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests"];
  const lines = (await run([...deno, path, "--calls", "40000"])).trim().split("\n");
  assert.equal(lines.length, 8);
  for (const line of lines) assert.match(line, / t +-?\d+\.\d\d .* 40000 calls$/);
});
