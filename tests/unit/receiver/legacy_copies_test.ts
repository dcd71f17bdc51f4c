import assert from "node:assert/strict";
import { createLegacyCopies } from "../../../lib/receiver/accept.ts";
import { address } from "./helpers.ts";

const r1 = address("192.0.2.1");
const r2 = address("192.0.2.2");

Deno.test("createLegacyCopies() takes what comes within 5 s of the first for its copy", () => {
  const isCopy = createLegacyCopies();
  assert.equal(isCopy(r1, 1_000), false);
  for (const now of [1_000, 3_000, 5_999]) assert.equal(isCopy(r1, now), true);
  // Five seconds after the first, not after the last copy.
  assert.equal(isCopy(r1, 6_000), false);
  assert.equal(isCopy(r1, 6_001), true);
});

Deno.test("createLegacyCopies() tells sources apart, both families", () => {
  const isCopy = createLegacyCopies();
  for (const source of [r1, r2, address("2001:db8::1"), address("2001:db8::2")]) {
    assert.equal(isCopy(source, 0), false);
    assert.equal(isCopy(source, 1), true);
  }
});

Deno.test("createLegacyCopies() remembers 1,024 sources and calls no other one's request a copy", () => {
  const isCopy = createLegacyCopies();
  for (let i = 0; i < 1_024; i++) isCopy(address(`10.0.${i >> 8}.${i & 255}`), 0);
  assert.equal(isCopy(r1, 1), false);
  assert.equal(isCopy(r1, 2), false);
  assert.equal(isCopy(address("10.0.0.0"), 3), true);
  assert.equal(isCopy(r1, 5_000), false);
  assert.equal(isCopy(r1, 5_001), true);
});
