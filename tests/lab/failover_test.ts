/** One run of the lab: real failovers, and every host did what it must. */
import assert from "node:assert/strict";
import { runLab } from "./failover.ts";
import { pictureOf } from "./picture.ts";
import { faultsOf, outageRatio, timelineText } from "./result.ts";

Deno.test("after each failover the host with ArpFlush is back with the one that needs no help", async () => {
  // A median of eight: what else the machine does delays one or the other host.
  const result = await runLab({ way: "arpflush-router", failovers: 8, windowMs: 11_000 });
  console.log(timelineText(result));
  assert.deepEqual(faultsOf(result), []);
  const ratio = outageRatio(result);
  console.log(`${ratio.toFixed(4)} times as long without an answer`);
  assert.ok(ratio <= 1.005, `${ratio}`);
  const svg = pictureOf(result);
  for (const { title, outages } of result.lanes) {
    assert.ok(svg.includes(title));
    if (outages[0].healed) assert.ok(svg.includes(`${outages[0].ms.toFixed(0)} ms`));
  }
});
