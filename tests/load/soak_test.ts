import assert from "node:assert/strict";
import { growthOf } from "./soak.ts";

Deno.test("growthOf() compares a later quarter with the first, whatever goes up and down", () => {
  const saw = Array.from({ length: 100 }, (_, i) => 100 + i % 5);
  assert.equal(growthOf(saw), 1);
  const leak = saw.map((value, i) => value + i);
  assert.ok(growthOf(leak) > 1.5);
  const bulge = saw.map((value, i) => i >= 50 && i < 75 ? 2 * value : value);
  assert.equal(growthOf(bulge), 2);
});

Deno.test("growthOf() is 1 for what shrinks, and for a single value", () => {
  assert.equal(growthOf([4, 3, 2, 1]), 1);
  assert.equal(growthOf([7]), 1);
});
