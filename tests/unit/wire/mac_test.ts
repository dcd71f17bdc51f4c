import fc from "fast-check";
import assert from "node:assert/strict";
import { formatLinkLayerAddress, parseLinkLayerAddress } from "../../../lib/wire/addresses.ts";
import { equalConstantTime } from "../../../lib/wire/keys.ts";

Deno.test("equalConstantTime() is equality", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), fc.nat(), (a, b, position) => {
    assert.ok(equalConstantTime(a, a.slice()));
    assert.equal(equalConstantTime(a, b), a.toHex() === b.toHex());
    if (a.length === 0) return;
    const changed = a.slice();
    changed[position % a.length] ^= 1 << (position % 8);
    assert.equal(equalConstantTime(a, changed), false);
    assert.equal(equalConstantTime(a, a.subarray(1)), false);
  }));
});

Deno.test("parseLinkLayerAddress() and formatLinkLayerAddress() are a round trip", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
    const text = formatLinkLayerAddress(bytes);
    assert.match(text, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    assert.deepEqual(parseLinkLayerAddress(text), bytes);
    assert.deepEqual(parseLinkLayerAddress(text.toUpperCase().replaceAll(":", "-")), bytes);
  }));
  for (
    const wrong of [
      "",
      "02:00:00:00:00",
      "02:00:00:00:00:01:02",
      "2:0:0:0:0:1",
      "g2:00:00:00:00:01",
    ]
  ) {
    assert.equal(parseLinkLayerAddress(wrong), null);
  }
});
