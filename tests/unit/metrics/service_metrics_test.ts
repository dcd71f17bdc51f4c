import assert from "node:assert/strict";
import { type MeasuredService, metricsText } from "../../../lib/metrics/service_metrics.ts";
import { refusalReasons } from "../../../lib/receiver/accept.ts";
import { Counters } from "../../../lib/receiver/counters.ts";
import { hasPromtool, promtool, requests, samplesOf } from "./samples.ts";

function measured(counters: Counters, changes: Partial<MeasuredService> = {}): MeasuredService {
  return {
    counters,
    keyIds: ["01234567", "89abcdef"],
    startedAt: 1_700_000_000_250,
    version: "1.2.3",
    runtime: "2.9.6",
    ...changes,
  };
}

/** Counters with a number of its own in every place. */
function busyCounters(): Counters {
  const counters = new Counters(() => 1_700_000_100_000);
  const names = Object.keys(counters.counted) as (keyof typeof counters.counted)[];
  names.forEach((name, i) => counters.count(name, i + 1));
  refusalReasons.forEach((reason, i) => {
    for (let n = 0; n <= i; n++) counters.countRefused(reason);
  });
  counters.countFlushed(40, 12_500);
  counters.countFlushed(2, 20_000_000);
  counters.countAccepted(1_700_000_099_500, "89abcdef");
  for (let n = 0; n < 3; n++) counters.countStale("clock", 1_700_000_400_000);
  for (let n = 0; n < 2; n++) counters.countStale("start", 1_700_000_050_000);
  counters.countStale("floor", 1_700_000_099_000);
  return counters;
}

Deno.test("metricsText() has every number there is, under its name", () => {
  const counters = busyCounters();
  const { counted, refused } = counters;
  const samples = samplesOf(metricsText(measured(counters)));
  const of = (name: string) => samples.get(name);
  assert.equal(of('arpflush_build_info{version="1.2.3",deno="2.9.6"}'), 1);
  assert.equal(of("arpflush_start_time_seconds"), 1_700_000_000.25);
  assert.equal(of('arpflush_key_info{key_id="01234567"}'), 1);
  assert.equal(of('arpflush_key_info{key_id="89abcdef"}'), 1);
  const used = "arpflush_key_last_request_timestamp_seconds";
  assert.equal(of(`${used}{key_id="89abcdef"}`), 1_700_000_100);
  assert.equal(of(`${used}{key_id="01234567"}`), undefined);
  assert.equal(of(requests("accepted")), counted.accepted);
  assert.equal(of(requests("repeated")), counted.repeated);
  for (const [reason, count] of Object.entries({ clock: 3, start: 2, floor: 1 })) {
    assert.equal(of(requests("stale", reason)), count, reason);
  }
  assert.equal(of(requests("legacy")), counted.legacy);
  assert.equal(of(requests("legacy_copy")), counted.legacyCopies);
  for (const reason of refusalReasons) {
    assert.equal(of(requests("refused", reason)), refused[reason], reason);
  }
  assert.equal(of('arpflush_clock_offset_seconds{outcome="accepted"}'), -0.5);
  assert.equal(of('arpflush_clock_offset_seconds{outcome="stale"}'), 300);
  assert.equal(of("arpflush_requests_unremembered_total"), counted.unremembered);
  assert.equal(of('arpflush_acks_total{result="sent"}'), counted.acksSent);
  assert.equal(of('arpflush_acks_total{result="failed"}'), counted.acksFailed);
  assert.equal(of('arpflush_acks_total{result="dropped"}'), counted.acksDropped);
  assert.equal(of("arpflush_receive_errors_total"), counted.receiveErrors);
  assert.equal(of("arpflush_sockets_reopened_total"), counted.socketsReopened);
  assert.equal(of('arpflush_flushes_total{result="ok"}'), 2);
  assert.equal(of('arpflush_flushes_total{result="failed"}'), counted.flushesFailed);
  assert.equal(of("arpflush_entries_removed_total"), counted.entriesRemoved);
  assert.equal(of("arpflush_last_flush_timestamp_seconds"), 1_700_000_100);
  assert.equal(of('arpflush_flush_duration_seconds_bucket{le="0.01"}'), 0);
  assert.equal(of('arpflush_flush_duration_seconds_bucket{le="0.025"}'), 1);
  assert.equal(of('arpflush_flush_duration_seconds_bucket{le="10"}'), 1);
  assert.equal(of('arpflush_flush_duration_seconds_bucket{le="+Inf"}'), 2);
  assert.equal(of("arpflush_flush_duration_seconds_sum"), 20.0125);
  assert.equal(of("arpflush_flush_duration_seconds_count"), 2);
});

Deno.test("metricsText() of a service that has done nothing counts from 0, and says of nothing when it was", () => {
  const samples = samplesOf(metricsText(measured(new Counters(), { keyIds: [] })));
  assert.equal(samples.get(requests("accepted")), 0);
  assert.equal(samples.get(requests("refused", "filter")), 0);
  assert.equal(samples.get('arpflush_flushes_total{result="failed"}'), 0);
  const names = [...samples.keys()].join("\n");
  assert.doesNotMatch(names, /clock_offset|last_flush|key_/);
});

Deno.test("metricsText() has the same names and labels whatever is sent", () => {
  const names = (counters: Counters) => [...samplesOf(metricsText(measured(counters))).keys()];
  const busy = busyCounters();
  const before = names(busy);
  for (let i = 0; i < 1_000; i++) {
    busy.countRefused(refusalReasons[i % refusalReasons.length]);
    busy.countAccepted(i, "89abcdef");
    busy.countFlushed(i, i);
  }
  assert.deepEqual(names(busy), before);
  assert.ok(before.length < 100, `${before.length} series`);
});

Deno.test({
  name: "metricsText() is what promtool calls good metrics",
  ignore: !hasPromtool,
  async fn() {
    for (const counters of [new Counters(), busyCounters()]) {
      const text = metricsText(measured(counters));
      assert.deepEqual(await promtool(["check", "metrics"], text), { success: true, output: "" });
    }
  },
});
