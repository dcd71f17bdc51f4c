import fc from "fast-check";
import assert from "node:assert/strict";
import type { FlushScope } from "../../../lib/neighbors/neighbor_cache.ts";
import {
  createFlushGate,
  type GateDecision,
  pendingPrefixesMost,
  startsMost,
  unionOf,
} from "../../../lib/receiver/flusher.ts";
import { type AddressPrefix, parsePrefix, prefixContains } from "../../../lib/wire/addresses.ts";

const holdDown = 10_000;

function prefixes(...texts: string[]): AddressPrefix[] {
  return texts.map(parsePrefix);
}

function isStart(decision: GateDecision): boolean {
  return "start" in decision;
}

Deno.test("createFlushGate() starts three flushes at once and then holds down", () => {
  const gate = createFlushGate(holdDown);
  assert.equal(startsMost, 3);
  for (const now of [0, 1, 2]) assert.deepEqual(gate.request("all", now), { start: "all" });
  assert.deepEqual(gate.request("all", 3), { pendingUntil: holdDown });
  assert.equal(gate.due, holdDown);
  assert.equal(gate.tick(holdDown - 1), null);
  assert.equal(gate.tick(holdDown), "all");
  assert.equal(gate.due, null);
  assert.equal(gate.tick(holdDown), null);
  // The second start counts until its own period is over.
  assert.deepEqual(gate.request("all", holdDown), { pendingUntil: holdDown + 1 });
});

Deno.test("createFlushGate() starts at once when the hold-down is over", () => {
  const gate = createFlushGate(holdDown);
  for (const now of [0, 0, 0]) gate.request("all", now);
  assert.deepEqual(gate.request("all", holdDown), { start: "all" });
});

Deno.test("createFlushGate() merges what is pending, and a late request takes it along", () => {
  const gate = createFlushGate(holdDown);
  for (const now of [0, 0, 0]) gate.request("all", now);
  gate.request(prefixes("192.0.2.1"), 1);
  gate.request(prefixes("192.0.2.2", "192.0.2.1"), 2);
  // Nobody called tick at 10,000.
  const decision = gate.request(prefixes("192.0.2.3"), holdDown + 5);
  assert.deepEqual(decision, { start: prefixes("192.0.2.1", "192.0.2.2", "192.0.2.3") });
  assert.equal(gate.due, null);
});

Deno.test("createFlushGate() counts no start when nothing is pending", () => {
  const gate = createFlushGate(holdDown);
  for (let i = 0; i < startsMost; i++) {
    assert.equal(gate.tick(0), null);
    assert.equal(gate.drain(0), null);
  }
  for (let i = 0; i < startsMost; i++) assert.ok(isStart(gate.request("all", 0)));
});

Deno.test("createFlushGate() counts a drained start at its own time", () => {
  const gate = createFlushGate(holdDown);
  for (const now of [0, 0, 0]) gate.request("all", now);
  gate.request("all", 1);
  assert.equal(gate.drain(5_000), "all");
  for (let i = 1; i < startsMost; i++) assert.ok(isStart(gate.request("all", holdDown)));
  assert.deepEqual(gate.request("all", holdDown), { pendingUntil: holdDown + 5_000 });
});

Deno.test("createFlushGate() gives what is pending away when drained, once", () => {
  const gate = createFlushGate(holdDown);
  for (const now of [0, 0, 0]) gate.request("all", now);
  assert.equal(gate.drain(1), null);
  gate.request(prefixes("192.0.2.1"), 1);
  assert.deepEqual(gate.drain(2), prefixes("192.0.2.1"));
  assert.equal(gate.drain(3), null);
});

Deno.test("createFlushGate() applies a new hold-down to what is pending", () => {
  const gate = createFlushGate(holdDown);
  for (const now of [0, 0, 0]) gate.request("all", now);
  gate.request("all", 1);
  gate.setHoldDown(2_000);
  assert.equal(gate.due, 2_000);
  assert.equal(gate.tick(2_000), "all");
});

Deno.test("createFlushGate() takes a clock that goes back for one that stands still", () => {
  const gate = createFlushGate(holdDown);
  for (const now of [50_000, 50_000, 50_000]) gate.request("all", now);
  assert.deepEqual(gate.request("all", 1), { pendingUntil: 60_000 });
  assert.equal(gate.tick(2), null);
  assert.equal(gate.tick(60_000), "all");
});

Deno.test("unionOf() lets all win and leaves out what is covered", () => {
  assert.equal(unionOf("all", prefixes("192.0.2.1")), "all");
  assert.equal(unionOf(prefixes("192.0.2.1"), "all"), "all");
  assert.deepEqual(
    unionOf(prefixes("192.0.2.0/24"), prefixes("192.0.2.1", "2001:db8::1")),
    prefixes("192.0.2.0/24", "2001:db8::1"),
  );
});

Deno.test("unionOf() becomes all rather than longer than its limit", () => {
  const many = Array.from(
    { length: pendingPrefixesMost },
    (_, i) => parsePrefix(`10.0.${i >> 8}.${i & 255}`),
  );
  assert.equal(unionOf(many.slice(1), many.slice(0, 1)).length, pendingPrefixesMost);
  assert.equal(unionOf(many, prefixes("192.0.2.1")), "all");
});

function covers(flushed: FlushScope, asked: FlushScope): boolean {
  if (flushed === "all") return true;
  if (asked === "all") return false;
  return asked.every((prefix) => flushed.some((other) => prefixContains(other, prefix)));
}

const scopes = fc.oneof(
  fc.constant("all" as const),
  fc.array(
    fc.constantFrom(...prefixes("192.0.2.1", "192.0.2.2", "192.0.2.0/24", "2001:db8::1")),
    { minLength: 1, maxLength: 3 },
  ),
);
/** Gaps between requests: none, small, and those around the hold-down period. */
const schedules = fc.array(
  fc.record({
    gap: fc.oneof(fc.constant(0), fc.nat(50), fc.nat(12_000), fc.constant(holdDown)),
    scope: scopes,
  }),
  { minLength: 1, maxLength: 30 },
);

Deno.test("createFlushGate() keeps its promise in 10,000 random schedules", () => {
  let started = 0, delayed = 0;
  fc.assert(
    fc.property(schedules, (schedule) => {
      const gate = createFlushGate(holdDown);
      const starts: { at: number; scope: FlushScope }[] = [];
      const asked: { at: number; scope: FlushScope }[] = [];
      let now = 0;
      /** Lets time pass to a moment, ticking when due. */
      function passTo(moment: number): void {
        while (gate.due !== null && gate.due <= moment) {
          now = gate.due;
          const scope = gate.tick(now);
          assert.ok(scope !== null);
          starts.push({ at: now, scope });
        }
        now = moment;
      }
      for (const { gap, scope } of schedule) {
        passTo(now + gap);
        const decision = gate.request(scope, now);
        asked.push({ at: now, scope });
        if ("start" in decision) starts.push({ at: now, scope: decision.start });
        else assert.equal(decision.pendingUntil, gate.due);
        isStart(decision) ? started++ : delayed++;
      }
      passTo(now + holdDown);
      for (const { at, scope } of asked) {
        const done = starts.some((start) =>
          start.at >= at && start.at <= at + holdDown && covers(start.scope, scope)
        );
        assert.ok(done, `asked at ${at}, starts at ${starts.map((start) => start.at)}`);
      }
      for (let i = startsMost; i < starts.length; i++) {
        assert.ok(starts[i].at - starts[i - startsMost].at >= holdDown);
      }
      assert.ok(starts.length <= asked.length);
    }),
    { numRuns: 10_000 },
  );
  assert.ok(started > 1_000 && delayed > 1_000, "schedules too easy to prove anything");
});
