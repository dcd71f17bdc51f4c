import assert from "node:assert/strict";
import { exposition } from "../../../lib/metrics/service_metrics.ts";
import { createHistogram } from "../../../lib/receiver/counters.ts";

Deno.test("exposition() writes help, type and one line a sample, and ends in a line feed", () => {
  const text = exposition([
    {
      name: "a_total",
      help: "All of a.",
      type: "counter",
      samples: [{ labels: { b: "x", c: "id reused" }, value: 3 }, { labels: { b: "y" }, value: 0 }],
    },
    { name: "d", help: "D.", type: "gauge", samples: [{ value: -0.25 }] },
  ]);
  assert.equal(
    text,
    "# HELP a_total All of a.\n# TYPE a_total counter\n" +
      'a_total{b="x",c="id reused"} 3\na_total{b="y"} 0\n' +
      "# HELP d D.\n# TYPE d gauge\nd -0.25\n",
  );
});

Deno.test("exposition() escapes what would end a value or a line", () => {
  const text = exposition([{
    name: "a",
    help: 'back\\slash\nline "quoted"',
    type: "gauge",
    samples: [{ labels: { b: '"\\\n' }, value: 1 }],
  }]);
  const [help, , sample] = text.split("\n");
  assert.equal(help, '# HELP a back\\\\slash\\nline "quoted"');
  assert.equal(sample, 'a{b="\\"\\\\\\n"} 1');
});

Deno.test("exposition() leaves out a name without samples", () => {
  assert.equal(exposition([{ name: "a", help: "A.", type: "gauge", samples: [] }]), "");
});

Deno.test("exposition() writes cumulative buckets, the last one of everything", () => {
  const histogram = createHistogram([0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value);
  const text = exposition([{ name: "h_seconds", help: "H.", type: "histogram", histogram }]);
  assert.deepEqual(text.split("\n").slice(2), [
    'h_seconds_bucket{le="0.1"} 2',
    'h_seconds_bucket{le="1"} 3',
    'h_seconds_bucket{le="+Inf"} 4',
    "h_seconds_sum 7.65",
    "h_seconds_count 4",
    "",
  ]);
});
