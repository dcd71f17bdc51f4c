/** How the lab's figures come from answers. */
import assert from "node:assert/strict";
import { findSilences, median, outageAfter } from "./outage.ts";

Deno.test("findSilences() finds gaps and the silence at the end", () => {
  const silences = findSilences([0, 10, 210, 220, 300], 1000, 100);
  assert.deepEqual(silences, [{ from: 10, to: 210 }, { from: 300, to: null }]);
  assert.deepEqual(findSilences([0, 10, 210, 220, 300], 399, 100), [{ from: 10, to: 210 }]);
});

const watch = { until: 1000, end: 2000 };

Deno.test("outageAfter() takes the silence that a failure begins, to the next answer", () => {
  const silences = [{ from: 95, to: 400 }, { from: 450, to: 460 }, { from: 995, to: 1200 }];
  assert.deepEqual(outageAfter(silences, 100, watch), { ms: 305, healed: true });
  const second = { until: 2000, end: 2000 };
  assert.deepEqual(outageAfter(silences, 1000, second), { ms: 205, healed: true });
});

Deno.test("outageAfter() counts a silence that outlasts the next failure as not healed", () => {
  const healed = false;
  assert.deepEqual(outageAfter([{ from: 95, to: null }], 100, watch), { ms: 1905, healed });
  assert.deepEqual(outageAfter([{ from: 95, to: 1001 }], 100, watch), { ms: 906, healed });
});

Deno.test("outageAfter() finds no outage where answers came throughout", () => {
  const silences = [{ from: 10, to: 90 }, { from: 1000, to: 1300 }];
  assert.deepEqual(outageAfter(silences, 100, watch), { ms: 0, healed: true });
});

Deno.test("median() is the middle value, or the mean of the two in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});
