/** Asking at its size: as many addresses as a link has, and verdicts that are the kernels' own. */
import assert from "node:assert/strict";
import { askCrowd, crowds } from "./ask_scale.ts";

const runs = 5;
for (const [what, { goalMs }] of Object.entries(crowds)) {
  Deno.test(`--ask judges ${what} ${runs} times alike, as their kernels have it`, async () => {
    for (const { wrong, judgedMs } of await askCrowd(what, runs)) {
      assert.deepEqual(wrong, []);
      // A machine that does much else takes longer than the goal.
      assert.ok(judgedMs < 3 * goalMs, `${judgedMs} ms`);
    }
  });
}
