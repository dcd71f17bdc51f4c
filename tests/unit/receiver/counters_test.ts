import assert from "node:assert/strict";
import { Counters, Histogram } from "../../../lib/receiver/counters.ts";

Deno.test("Histogram counts a value on a bound below it, and what is over all by itself", () => {
  const histogram = new Histogram([1, 2]);
  for (const value of [0, 1, 1.5, 2, 2.5, 100]) histogram.observe(value);
  assert.deepEqual(histogram.counts, [2, 2, 2]);
  assert.equal(histogram.sum, 107);
});

Deno.test("whenCounted() calls once, whatever is counted, and then nobody", () => {
  const counters = new Counters();
  const ways = [
    () => counters.count("accepted"),
    () => counters.count("entriesRemoved", 0),
    () => counters.countRefused("filter"),
    () => counters.countFlushed(0, 1),
    () => counters.countAccepted(0, "01234567"),
    () => counters.countStale("start", 0),
  ];
  let calls = 0;
  for (const way of ways) {
    counters.whenCounted(() => calls++);
    way();
    way();
  }
  assert.equal(calls, ways.length);
  counters.whenCounted(() => calls++);
  counters.whenCounted(null);
  ways.forEach((way) => way());
  assert.equal(calls, ways.length);
});

Deno.test("whenCounted() may ask again from inside its call", () => {
  const counters = new Counters();
  let calls = 0;
  const again = () => {
    calls++;
    counters.whenCounted(again);
  };
  counters.whenCounted(again);
  counters.count("accepted");
  counters.count("accepted");
  assert.equal(calls, 2);
});

Deno.test("latest is of the last flush that ended well, and of each outcome by itself", () => {
  let now = 5_000;
  const counters = new Counters(() => now);
  assert.equal(counters.latest.flushed, null);
  counters.countFlushed(3, 1_000);
  now = 6_000;
  counters.count("flushesFailed");
  assert.equal(counters.latest.flushed, 5_000);
  counters.countAccepted(5_900, "aa");
  counters.countStale("clock", 96_000);
  counters.countStale("start", 4_000);
  assert.deepEqual(counters.latest.clockOffset, { accepted: -100, stale: 90_000 });
  assert.deepEqual([...counters.latest.keyUsed], [["aa", 6_000]]);
});
