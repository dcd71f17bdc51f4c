/** One tier on small files of its own. */
import assert from "node:assert/strict";
import { runTier } from "./run_tier.ts";

/** A test that passes if so many files are run at a time. */
function expecting(jobs: number): string {
  return `Deno.test("jobs", () => {
    if (Deno.env.get("DENO_JOBS") !== "${jobs}") throw new Error("at a time");
  });\n`;
}

Deno.test("runTier() runs some files two at a time, the others alone, and counts both", async () => {
  const folder = await Deno.makeTempDir({ dir: "tests/runner", prefix: ".run-tier-" });
  try {
    const texts = { alone: expecting(1), pair: expecting(2), wrong: expecting(3) };
    for (const [name, text] of Object.entries(texts)) {
      await Deno.writeTextFile(`${folder}/${name}_test.ts`, text);
    }
    const run = (...names: string[]) =>
      runTier({
        argv: [],
        files: names.map((name) => `${folder}/${name}_test.ts`),
        pairs: (file) => !file.endsWith("/alone_test.ts"),
        signal: new AbortController().signal,
      });
    assert.deepEqual(await run("alone", "pair"), { passed: 2, failed: 0, skipped: 0 });
    assert.deepEqual(await run("alone", "wrong"), { passed: 1, failed: 1, skipped: 0 });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
