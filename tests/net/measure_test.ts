/**
 * Every section of `deno task measure` with tiny numbers: it gives figures, and the promises among
 * them are kept: what is lost, missed, remembered or told by time.
 */
import assert from "node:assert/strict";
import { messageOf } from "../../lib/errors.ts";
import { compilePeers } from "../measure/peers.ts";
import { brokenPromises, tableText } from "../measure/section.ts";
import { sections } from "../measure/sections.ts";
import { isInstalled } from "../support/command.ts";

const folder = await Deno.makeTempDir({ prefix: "arpflush-measure-" });
/** Why there are no peers in C: no compiler, or not OpenSSL's headers. */
const lack = await compilePeers(folder).then(() => null, messageOf);
if (lack !== null) console.log(lack);
Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

/** The labs have tests of their own: tests/lab/failover_test.ts and follow_test.ts. */
const here = Object.entries(sections).filter(([, { isLab }]) => !isLab);

/** Other tests run beside these: what they hinder is over in another try, a fault isn't. */
const maxTries = 3;
const context = {
  ...{ folder, packed: null, quick: true, seed: 1, minutes: 0, write: false },
  progress: () => {},
};
for (const [name, { run, needs = [] }] of here) {
  const ignore = !await isInstalled(...needs) || lack !== null && needs.includes("cc");
  const promise = `deno task measure ${name} --quick gives figures and keeps its promises`;
  Deno.test(promise, { ignore }, async () => {
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
