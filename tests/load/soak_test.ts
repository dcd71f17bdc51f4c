import assert from "node:assert/strict";
import { sectionText } from "../measure/section.ts";
import { brokenPromises, growthOf } from "./soak.ts";

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

Deno.test("brokenPromises() names a miss, descriptors that grow, and memory that does", () => {
  const settled = { rss: 1, rssMost: 1, descriptors: 20, cpuMs: 0 };
  const kept = { missed: 0, settled, end: settled, rssGrowth: 1.05, seconds: 600 };
  assert.deepEqual(brokenPromises(kept), []);
  assert.deepEqual(brokenPromises({ ...kept, missed: 1 }), ["1 requests missed"]);
  const end = { ...settled, descriptors: 22 };
  assert.deepEqual(brokenPromises({ ...kept, end }), ["descriptors grow"]);
  const grown = { ...kept, rssGrowth: 1.06 };
  assert.deepEqual(brokenPromises(grown), ["RSS grew to 1.060 of what it was"]);
  // Until it has settled it grows.
  assert.deepEqual(brokenPromises({ ...grown, seconds: 599 }), []);
});

Deno.test("sectionText() says which promises are broken, behind the notes", () => {
  const section = { title: "T", about: "A", header: ["h"], rows: [["1"]], notes: ["n"] };
  assert.match(sectionText({ ...section, broken: ["b"] }), /\n\n- n\n- Broken: b\.\n$/);
  assert.match(sectionText(section), /\n\n- n\n$/);
});
