import assert from "node:assert/strict";
import { median, quantile, show, showSpread } from "../../measure/statistics.ts";

Deno.test("quantile() interpolates between the values around it", () => {
  assert.equal(quantile([4, 1, 3, 2], 0), 1);
  assert.equal(quantile([4, 1, 3, 2], 1), 4);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(quantile([0, 10], 0.99), 9.9);
  assert.equal(median([7]), 7);
  assert.ok(Number.isNaN(median([])));
});

Deno.test("show() keeps three digits and sets thousands apart", () => {
  assert.deepEqual(
    [0, 0.0123, 0.5, 1.005, 12.34, 123.4, 98_765.4, NaN].map(show),
    ["0.00", "0.0123", "0.50", "1.01", "12.3", "123", "98,765", "none"],
  );
});

Deno.test("showSpread() says the middle and the quartiles", () => {
  assert.equal(showSpread([1, 2, 3, 4, 5]), "3.00 (2.00 to 4.00)");
});
