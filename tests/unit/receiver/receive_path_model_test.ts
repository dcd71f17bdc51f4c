/**
 * The checks, the replay window and the flush gate together, over random schedules: new requests,
 * copies, replays, a stepped clock, flushes that take time and fail.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import {
  accept,
  type AcceptanceState,
  createAcceptanceState,
} from "../../../lib/receiver/accept.ts";
import { FlushGate } from "../../../lib/receiver/flusher.ts";
import { ReplayWindow, type SeenRequest } from "../../../lib/receiver/replay_window.ts";
import { keyring, signed } from "./harness.ts";

const holdDown = 10_000;
const source = parsePrefix("192.0.2.1");
const maxStarts = 3;
const startWall = 1_700_000_000_000;
const rules = { isAllowed: () => true, keyring, isLegacy: null, toleranceMs: 60_000 };

type Step =
  | { kind: "pass"; ms: number }
  | { kind: "step clock"; ms: number }
  | { kind: "failing"; failing: boolean }
  | { kind: "flush takes"; ms: number }
  | { kind: "new"; offset: number }
  | { kind: "copy"; which: number };

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(8_000) }) },
    fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(150_000) }),
    fc.record({
      kind: fc.constant("step clock" as const),
      ms: fc.constantFrom(-86_400_000, -3_600_000, -30_000, 30_000, 3_600_000),
    }),
    fc.record({ kind: fc.constant("failing" as const), failing: fc.boolean() }),
    fc.record({ kind: fc.constant("flush takes" as const), ms: fc.constantFrom(0, 20, 5_000) }),
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("new" as const),
        offset: fc.oneof(fc.constant(0), fc.integer({ min: -70_000, max: 70_000 })),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("copy" as const), which: fc.nat() }) },
  ),
  { minLength: 3, maxLength: 30 },
);

Deno.test("the receive path keeps its promises in 10,000 random schedules", () => {
  const seenKinds = { accepted: 0, retried: 0, repeat: 0, stale: 0, delayed: 0 };
  fc.assert(
    fc.property(steps, (schedule: Step[]) => {
      const state: AcceptanceState = {
        ...createAcceptanceState(startWall),
        window: new ReplayWindow(startWall - 10_000, 3),
      };
      const gate = new FlushGate(holdDown);
      let monotonic = 0, step = 0, failing = false, takes = 0;
      const wall = () => startWall + monotonic + step;
      const starts: number[] = [];
      const acceptedAt: number[] = [];
      const requests: Uint8Array[] = [];
      /** How the last flush for a request ended; undefined while it has not. */
      const ended = new Map<Uint8Array, boolean | undefined>();
      let pending: [Uint8Array, SeenRequest][] = [];
      let running: { endsAt: number; failed: boolean; asked: [Uint8Array, SeenRequest][] }[] = [];

      function started(): void {
        starts.push(monotonic);
        running.push({ endsAt: monotonic + takes, failed: failing, asked: pending });
        pending = [];
        endFlushes();
      }
      function endFlushes(): void {
        for (const { endsAt, failed, asked } of running) {
          if (endsAt > monotonic) continue;
          const status = failed ? "failed" : "flushed";
          for (const [bytes, seen] of asked) {
            seen.result = { status, error: 0, entries: 0, micros: 0, reports: [] };
            ended.set(bytes, !failed);
          }
        }
        running = running.filter(({ endsAt }) => endsAt > monotonic);
      }
      function passTo(moment: number): void {
        for (;;) {
          const next = Math.min(moment, gate.due ?? Infinity, ...running.map((r) => r.endsAt));
          monotonic = next;
          endFlushes();
          if (gate.due !== null && gate.due <= monotonic) {
            assert.ok(gate.tick(monotonic) !== null);
            started();
          } else if (next === moment) return;
        }
      }
      function present(bytes: Uint8Array): string {
        const verdict = accept(bytes, source, rules, state, { monotonic: () => monotonic, wall });
        if (verdict.kind === "new") {
          acceptedAt.push(monotonic);
          // Once, and again only when its flush failed.
          if (ended.has(bytes)) {
            assert.equal(ended.get(bytes), false, "flushed again for a request that was done");
            seenKinds.retried++;
          }
          ended.set(bytes, undefined);
          pending.push([bytes, verdict.seen]);
          if ("start" in gate.request("all", monotonic)) started();
          else seenKinds.delayed++;
        }
        if (verdict.kind === "stale") {
          // A sender that follows the ack's clock gets through at once.
          const corrected = signed({ created: verdict.clock });
          seenKinds.stale++;
          requests.push(corrected);
          assert.equal(present(corrected), "new");
        }
        return verdict.kind;
      }

      for (const one of schedule) {
        if (one.kind === "pass") passTo(monotonic + one.ms);
        if (one.kind === "step clock") step += one.ms;
        if (one.kind === "failing") failing = one.failing;
        if (one.kind === "flush takes") takes = one.ms;
        if (one.kind === "new") {
          const bytes = signed({ created: wall() + one.offset });
          requests.push(bytes);
          if (present(bytes) === "new") seenKinds.accepted++;
        }
        if (one.kind === "copy" && requests.length > 0) {
          if (present(requests[one.which % requests.length]) === "repeat") seenKinds.repeat++;
        }
      }
      passTo(monotonic + holdDown);
      for (const at of acceptedAt) {
        assert.ok(
          starts.some((start) => start >= at && start <= at + holdDown),
          `accepted at ${at}, flushes started at ${starts}`,
        );
      }
      for (let i = maxStarts; i < starts.length; i++) {
        assert.ok(starts[i] - starts[i - maxStarts] >= holdDown, `flushes started at ${starts}`);
      }
    }),
    { numRuns: 10_000 },
  );
  for (const [kind, count] of Object.entries(seenKinds)) {
    assert.ok(count > 300, `only ${count} ${kind}: schedules too easy to prove anything`);
  }
});
