/** Asking at its size: as many addresses as a link has, and verdicts that are the kernels' own. */
import assert from "node:assert/strict";
import { askCrowd, crowds } from "./ask_scale.ts";

const runs = 5;
for (const [what, { goalMs }] of Object.entries(crowds)) {
  Deno.test(`--ask judges ${what} ${runs} times alike, as their kernels have it`, async () => {
    const ended = await askCrowd(what, runs);
    assert.deepEqual(ended.flatMap(({ wrong }) => wrong), []);
    // Tests that run beside this one take some runs longer than the goal.
    const fastestMs = Math.min(...ended.map(({ judgedMs }) => judgedMs));
    assert.ok(fastestMs < 2 * goalMs, `${fastestMs} ms`);
  });
}
