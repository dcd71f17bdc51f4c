/**
 * Every section of `deno task measure` with tiny numbers: it gives figures, and the promises among
 * them are kept: what is lost, missed, remembered or told by time.
 */
import assert from "node:assert/strict";
import { compilePeers } from "../measure/peers.ts";
import { brokenPromises, tableText } from "../measure/section.ts";
import { sections } from "../measure/sections.ts";

const folder = await Deno.makeTempDir({ prefix: "arpflush-measure-" });
await compilePeers(folder);
Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

/** The labs have tests of their own: tests/lab/failover_test.ts and follow_test.ts. */
const here = Object.entries(sections).filter(([, { isLab }]) => !isLab);

/** Other tests run beside these: what they hinder is over in another try, a fault isn't. */
const maxTries = 3;
const context = {
  ...{ folder, packed: null, quick: true, seed: 1, minutes: 0, write: false },
  progress: () => {},
};
for (const [name, { run }] of here) {
  Deno.test(`deno task measure ${name} --quick gives figures and keeps its promises`, async () => {
    let broken: string[] = [];
    for (let tries = 0; tries < maxTries; tries++) {
      const rows = await run(context);
      assert.ok(rows.length > 0);
      for (const row of rows) {
        assert.ok(Number.isFinite(row.value) && Number.isFinite(row.ratio ?? 0), row.what);
      }
      assert.doesNotMatch(tableText(rows), /none|NaN|Infinity/);
      broken = brokenPromises(rows);
      if (broken.length === 0) break;
    }
    assert.deepEqual(broken, []);
  });
}
