import assert from "node:assert/strict";
import { ackSpreadOf } from "../../../lib/sender/exchange.ts";

const count = (count: number) => ({ kind: "count", count }) as const;

Deno.test("ackSpreadOf() gives what was asked for", () => {
  assert.equal(ackSpreadOf(0, count(5_000)), 0);
  assert.equal(ackSpreadOf(65_535, null), 65_535);
});

Deno.test("ackSpreadOf() grows with the hosts that are expected, to 800 ms at most", () => {
  assert.equal(ackSpreadOf("auto", null), 0);
  assert.equal(ackSpreadOf("auto", count(1)), 0);
  assert.equal(ackSpreadOf("auto", count(1_000)), 500);
  assert.equal(ackSpreadOf("auto", { kind: "names", names: Array(50).fill("web") }), 25);
  assert.equal(ackSpreadOf("auto", count(1_000_000)), 800);
});
