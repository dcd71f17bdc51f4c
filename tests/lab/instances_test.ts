/** Forty instances fail over in every way to hook them, and each of them is measured. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { labLacks } from "./failover.ts";
import { measureInstances } from "./instances.ts";

const ignore = await labLacks() !== null;

Deno.test("measureInstances() fails over forty instances, whichever way they are hooked", {
  ignore,
}, async () => {
  await pack("dist/arpflush");
  const failovers = await measureInstances(1);
  console.log(failovers.map(({ what, values: [ms] }) => `${what}: ${ms.toFixed(0)} ms`).join("\n"));
  const [alone, ...others] = failovers.map(({ values: [ms] }) => ms);
  // How much worse is the figures' to say.
  assert.ok(alone > 0 && others.every((ms) => ms > 0), JSON.stringify(failovers));
  assert.equal(
    Math.max(alone, ...others),
    others.at(-1),
    "a script for each instance is the slowest",
  );
});
