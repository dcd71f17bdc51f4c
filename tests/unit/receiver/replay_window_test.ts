import fc from "fast-check";
import assert from "node:assert/strict";
import { addWaiting, maxAcks, ReplayWindow } from "../../../lib/receiver/replay_window.ts";
import type { Instant } from "../../../lib/time.ts";

const start: Instant = { monotonic: 5_000_000, wall: 1_700_000_000_000 };
const tolerance = 60_000;
/** 2 x tolerance + 1 s. */
const memoryMs = 121_000;
const mac = new Uint8Array(16);

function idOf(number: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(12, number);
  return id;
}

function requestOf(id: Uint8Array, created: number) {
  return { id, created, acknowledge: true, ackSpreadMs: 0 };
}

/** Both clocks `ms` after the start, and the wall stepped by more. */
function at(ms: number, step = 0): Instant {
  return { monotonic: start.monotonic + ms, wall: start.wall + ms + step };
}

Deno.test("ReplayWindow finds an id for 2 x tolerance + 1 s and no longer", () => {
  const window = new ReplayWindow(start.wall);
  window.remember(requestOf(idOf(1), start.wall), mac, start, tolerance);
  const last = memoryMs - 1;
  assert.ok(window.find(idOf(1), at(last).monotonic));
  assert.equal(window.find(idOf(2), at(last).monotonic), undefined);
  assert.equal(window.find(idOf(1), at(last + 1).monotonic), undefined);
  assert.equal(window.size, 0);
});

Deno.test("ReplayWindow tells all 16 bytes of an id apart", () => {
  const window = new ReplayWindow(start.wall);
  window.remember(requestOf(idOf(0), start.wall), mac, start, tolerance);
  for (let i = 0; i < 16; i++) {
    assert.equal(window.find(idOf(0).with(i, 0x80), start.monotonic), undefined);
  }
});

Deno.test("ReplayWindow finds a forgotten request stale, wherever the clock was stepped", () => {
  for (const step of [-3_600_000, -121_000, 0, 86_400_000]) {
    const window = new ReplayWindow(start.wall - 86_400_000);
    const created = start.wall;
    window.remember(requestOf(idOf(1), created), mac, start, tolerance);
    const later = at(memoryMs, step);
    assert.equal(window.find(idOf(1), later.monotonic), undefined);
    assert.equal(window.isFresh(created, later, tolerance), false);
    // Its own clock shows the way through.
    assert.ok(window.isFresh(window.clock(later), later, tolerance));
  }
});

Deno.test("ReplayWindow refuses nothing genuine while the clock is not stepped", () => {
  const window = new ReplayWindow(start.wall - tolerance);
  for (let i = 0; i < 1_000; i++) {
    const now = at(i * 500);
    const created = now.wall + (i % 2 === 0 ? -tolerance : tolerance);
    assert.ok(window.isFresh(created, now, tolerance), `request ${i}`);
    window.remember(requestOf(idOf(i), created), mac, now, tolerance);
  }
});

Deno.test("ReplayWindow judges by the host's clock until that is behind its start", () => {
  const window = new ReplayWindow(start.wall);
  assert.equal(window.clock(at(5_000)), start.wall + 5_000);
  assert.equal(window.clock(at(5_000, -3_600_000)), start.wall);
});

Deno.test("ReplayWindow evicts no live id when full, and lets newer requests through", () => {
  const capacity = 10;
  const window = new ReplayWindow(start.wall, capacity);
  for (let i = 0; i < capacity; i++) {
    assert.equal(window.isFull, false);
    window.remember(requestOf(idOf(i), start.wall + i), mac, start, tolerance);
  }
  assert.ok(window.isFull);
  const newest = start.wall + capacity - 1;
  const isFresh = (created: number) => window.isFresh(created, start, tolerance);
  // Not newer than all that was accepted: it might be a replay of something not remembered.
  assert.equal(isFresh(newest), false);
  assert.equal(window.clock(start), newest + 1);
  assert.ok(isFresh(newest + 1));
  window.remember(requestOf(idOf(50), newest + 1), mac, start, tolerance);
  assert.equal(window.size, capacity);
  assert.equal(window.find(idOf(50), start.monotonic), undefined);
  // Its replay isn't fresh, now or when there is room again.
  assert.equal(isFresh(newest + 1), false);
  assert.ok(isFresh(newest + 2));
  for (let i = 0; i < capacity; i++) assert.ok(window.find(idOf(i), start.monotonic));
  const later = at(memoryMs);
  assert.equal(window.find(idOf(0), later.monotonic), undefined);
  assert.equal(window.isFull, false);
  assert.equal(window.isFresh(newest + 1, later, 10 * tolerance), false);
  assert.ok(window.isFresh(newest + 2, later, 10 * tolerance));
});

Deno.test("ReplayWindow holds 4,096 ids", () => {
  const window = new ReplayWindow(start.wall);
  for (let i = 0; i < 4_096; i++) {
    assert.equal(window.isFull, false);
    window.remember(requestOf(idOf(i), start.wall), mac, start, tolerance);
  }
  assert.ok(window.isFull);
});

/** One thing that happens to a window. */
type Step =
  | { kind: "pass"; ms: number }
  | { kind: "step clock"; ms: number }
  | { kind: "tolerance"; ms: number }
  | { kind: "new"; offset: number }
  | { kind: "corrected" }
  | { kind: "replay"; which: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(90_000) }),
    fc.record({
      kind: fc.constant("step clock" as const),
      ms: fc.constantFrom(-86_400_000, -3_600_000, -70_000, 70_000, 3_600_000, 86_400_000),
    }),
    fc.record({ kind: fc.constant("tolerance" as const), ms: fc.constantFrom(1_000, 60_000) }),
    fc.record({
      kind: fc.constant("new" as const),
      offset: fc.integer({ min: -70_000, max: 70_000 }),
    }),
    fc.record({ kind: fc.constant("corrected" as const) }),
    fc.record({ kind: fc.constant("replay" as const), which: fc.nat() }),
  ),
  { maxLength: 40 },
);

Deno.test("ReplayWindow accepts nothing twice in 10,000 random lives, and always a corrected request", () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 4 }), (life: Step[], capacity) => {
      const window = new ReplayWindow(start.wall, capacity);
      const accepted: { id: Uint8Array; created: number }[] = [];
      let monotonic = start.monotonic, wall = start.wall, toleranceMs = 60_000, ids = 0;
      /** What accept() does with it: whether it leads to a flush. */
      function present(request: { id: Uint8Array; created: number }): boolean {
        const now = { monotonic, wall };
        if (window.find(request.id, now.monotonic) !== undefined) return false;
        if (!window.isFresh(request.created, now, toleranceMs)) return false;
        window.remember(requestOf(request.id, request.created), mac, now, toleranceMs);
        return true;
      }
      for (const step of life) {
        switch (step.kind) {
          case "pass":
            monotonic += step.ms;
            wall += step.ms;
            break;
          case "step clock":
            wall += step.ms;
            break;
          case "tolerance":
            toleranceMs = step.ms;
            break;
          case "new": {
            const request = { id: idOf(ids++), created: wall + step.offset };
            if (present(request)) accepted.push(request);
            break;
          }
          case "corrected": {
            const request = { id: idOf(ids++), created: window.clock({ monotonic, wall }) };
            assert.ok(present(request), "a request created by the window's own clock");
            accepted.push(request);
            break;
          }
          case "replay":
            if (accepted.length > 0) {
              assert.equal(present(accepted[step.which % accepted.length]), false, "a replay");
            }
        }
        assert.ok(window.size <= capacity);
      }
    }),
    { numRuns: 10_000 },
  );
});

Deno.test("addWaiting() keeps each source once, and no more than may be acknowledged", () => {
  const window = new ReplayWindow(start.wall);
  const seen = window.remember(requestOf(idOf(1), start.wall), mac, start, tolerance);
  const r1 = { transport: "udp", hostname: "192.0.2.1", port: 1 } as const;
  const sources = [r1, { ...r1, port: 2 }, { ...r1, hostname: "192.0.2.2" }];
  for (const from of [...sources, ...sources]) addWaiting(seen, from);
  assert.deepEqual(seen.waiting, sources);
  for (let port = 1; port <= 100; port++) addWaiting(seen, { ...r1, port });
  assert.equal(seen.waiting.length, maxAcks);
});
