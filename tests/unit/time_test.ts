import fc from "fast-check";
import assert from "node:assert/strict";
import { formatDuration, parseDuration } from "../../lib/time.ts";

Deno.test("parseDuration() reads seconds, milliseconds and bare seconds", () => {
  const cases = { "1s": 1000, "200ms": 200, "0.5": 500, ".5s": 500, "2": 2000, "0": 0, "1.5ms": 2 };
  for (const [text, ms] of Object.entries(cases)) assert.equal(parseDuration(text), ms, text);
});

for (
  const text of ["", "s", "-1", "1m", "1 s", "1e3", "1.", "1,5", "Infinity", "0x10", "1sms", "٣"]
) {
  Deno.test(`parseDuration() refuses ${JSON.stringify(text)}`, () => {
    assert.equal(parseDuration(text), null);
  });
}

Deno.test("formatDuration() is read back by parseDuration()", () => {
  fc.assert(fc.property(fc.nat(100_000_000), (ms) => {
    assert.equal(parseDuration(formatDuration(ms)), ms);
  }));
});

Deno.test("parseDuration() gives whole milliseconds or null for any text", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."0123456789.ms-") }));
  fc.assert(fc.property(text, (text) => {
    const ms = parseDuration(text);
    assert.ok(ms === null || Number.isSafeInteger(ms) && ms >= 0);
  }));
});
