/** Reloads under load, every second one broken: nothing accepted is lost. */
import assert from "node:assert/strict";
import { reloadUnderLoad } from "../load/reloads.ts";

Deno.test("service.ts loses nothing over 40 reloads under load, every second one broken", async () => {
  const result = await reloadUnderLoad(40);
  assert.deepEqual([result.asked, result.unanswered], [200, 0]);
  assert.deepEqual([result.reloaded, result.refused], [20, 20]);
  assert.equal(result.descriptorsMore, 0);
});
