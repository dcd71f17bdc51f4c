import fc from "fast-check";
import assert from "node:assert/strict";
import type { Peer } from "../../../lib/receiver/listeners.ts";
import {
  AckSources,
  Challenges,
  ReplayWindow,
  type SeenRequest,
} from "../../../lib/receiver/replay_window.ts";
import { createMac } from "../../../lib/wire/keys.ts";
import { step } from "../../support/schedules.ts";
import { routerKey, vectors } from "../wire/vectors.ts";
import { router } from "./harness.ts";

const started = 1_700_000_000_000;
const tolerance = 60_000;
const memoryMs = 121_000;

function idOf(number: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(12, number);
  return id;
}

function seenOf(number: number, created: number): SeenRequest {
  return {
    id: idOf(number),
    created,
    key: router.key,
    acknowledge: true,
    ackSpreadMs: 0,
    filter: new Uint8Array(16),
    isStale: false,
    result: null,
    sources: new AckSources(),
    triedAt: 0,
    retries: 0,
  };
}

Deno.test("ReplayWindow tells all 16 bytes of an id apart", () => {
  const window = new ReplayWindow(started);
  window.accept(seenOf(0, started + 1), false, 0, tolerance);
  for (let i = 0; i < 16; i++) assert.equal(window.find(idOf(0).with(i, 0x80), 0), undefined);
  assert.ok(window.find(idOf(0), 0));
});

Deno.test("ReplayWindow refuses nothing genuine while the clock is not stepped", () => {
  const window = new ReplayWindow(started - tolerance - 1);
  for (let i = 0; i < 1_000; i++) {
    const now = i * 500;
    const created = started + now + (i % 2 === 0 ? -tolerance : tolerance);
    assert.equal(window.find(idOf(i), now), undefined);
    assert.equal(window.staleness(created, started + now, tolerance), null, `request ${i}`);
    assert.equal(window.accept(seenOf(i, created), false, now, tolerance), "remembered");
  }
});

Deno.test("ReplayWindow evicts no live id when full and takes only what is created later", () => {
  const window = new ReplayWindow(started, 10);
  for (let i = 0; i < 10; i++) {
    // The challenged one's creation is by a wrong clock and doesn't count.
    const created = i === 5 ? started + 86_400_000 : started + 10 - i;
    assert.equal(window.accept(seenOf(i, created), i === 5, i, tolerance), "remembered");
  }
  const accept = (number: number, created: number, hasChallenge = false) =>
    window.accept(seenOf(number, created), hasChallenge, 10, tolerance);
  assert.equal(accept(11, started + 20, true), "refused");
  for (const created of [started + 1, started + 10]) {
    assert.equal(accept(12, created), "refused");
    assert.equal(
      window.staleness(created, started, tolerance),
      null,
      "a refused one moves nothing",
    );
  }
  assert.equal(accept(13, started + 11), "unremembered");
  assert.equal(window.find(idOf(13), 10), undefined);
  const ofCopies = window.staleness(started + 11, started, tolerance);
  assert.equal(ofCopies, "floor", "its later copies are stale");
  assert.equal(accept(14, started + 12), "unremembered");
  assert.equal(window.size, 10);
  for (let i = 0; i < 10; i++) assert.ok(window.find(idOf(i), 10), `id ${i} is live`);
  // Room again.
  assert.equal(window.find(idOf(0), memoryMs), undefined);
  assert.equal(window.accept(seenOf(15, started + 13), true, memoryMs, tolerance), "remembered");
});

Deno.test("ReplayWindow holds 4,096 ids", () => {
  const window = new ReplayWindow(started);
  for (let i = 0; i < 4_096; i++) {
    assert.equal(window.accept(seenOf(i, started + 1), false, 0, tolerance), "remembered");
  }
  assert.equal(window.accept(seenOf(4_096, started + 1), false, 0, tolerance), "refused");
  assert.equal(window.accept(seenOf(4_096, started + 2), false, 0, tolerance), "unremembered");
});

const steps = fc.array(
  fc.oneof(
    step("pass", { ms: fc.nat(150_000) }),
    step("step", { ms: fc.constantFrom(-86_400_000, -3_600_000, -30_000, 30_000, 3_600_000) }),
    step("tolerance", { ms: fc.constantFrom(1_000, 60_000, 300_000) }),
    step("new", {
      offset: fc.oneof(fc.constant(0), fc.integer({ min: -70_000, max: 70_000 })),
      hasChallenge: fc.boolean(),
    }, 5),
    step("replay", { which: fc.nat() }, 5),
  ),
  { minLength: 3, maxLength: 40 },
);

Deno.test("ReplayWindow accepts nothing twice, whatever clock and tolerance do", () => {
  let replays = 0, full = 0;
  fc.assert(
    fc.property(steps, (schedule) => {
      const window = new ReplayWindow(started - 1, 3);
      let now = 0, stepped = 0, toleranceMs = tolerance;
      /** Each with the time until which its challenge is right. */
      const all: { seen: SeenRequest; challengedUntil: number; accepted: boolean }[] = [];
      function present(one: typeof all[number]): void {
        const { seen, challengedUntil } = one;
        if (window.find(seen.id, now) !== undefined) return;
        const hasChallenge = challengedUntil > 0;
        if (hasChallenge && challengedUntil <= now) return;
        const wall = started + now + stepped;
        if (!hasChallenge && window.staleness(seen.created, wall, toleranceMs)) return;
        const outcome = window.accept(seen, hasChallenge, now, toleranceMs);
        if (outcome === "refused") return void full++;
        assert.equal(one.accepted, false, "accepted twice");
        one.accepted = true;
      }
      for (const one of schedule) {
        if (one.kind === "pass") now += one.ms;
        if (one.kind === "step") stepped += one.ms;
        if (one.kind === "tolerance") toleranceMs = one.ms;
        if (one.kind === "new") {
          const seen = seenOf(all.length, started + now + stepped + one.offset);
          const challengedUntil = one.hasChallenge ? now + 60_000 : 0;
          all.push({ seen, challengedUntil, accepted: false });
          present(all[all.length - 1]);
        }
        if (one.kind === "replay" && all.length > 0) {
          replays++;
          present(all[one.which % all.length]);
        }
      }
    }),
    { numRuns: 5_000 },
  );
  assert.ok(replays > 5_000 && full > 100, "schedules too easy to prove anything");
});

const to: Peer = { transport: "udp", hostname: "192.0.2.1", port: 5, local: "192.0.2.9" };

Deno.test("AckSources give each of 64 sources 8 acks of each status", () => {
  const sources = new AckSources();
  const places = Array.from({ length: 70 }, (_, i) => ({ ...to, port: 1_000 + i }));
  for (const status of ["stale", "flushed"] as const) {
    const counts = places.map((place) => {
      let count = 0;
      while (count < 20 && sources.mayAck(status, place)) count++;
      return count;
    });
    assert.deepEqual(counts, [...Array(64).fill(8), ...Array(6).fill(0)]);
  }
  assert.ok(sources.mayAck("pending", { ...places[0], hostname: to.hostname }));
  assert.ok(!sources.mayAck("pending", { ...places[0], hostname: "192.0.2.77" }));
});

Deno.test("AckSources tell who waits, each once, until the end", () => {
  const sources = new AckSources();
  assert.ok(sources.mayAck("stale", to));
  assert.deepEqual(sources.waiting(true), []);
  const other = { ...to, port: 6 };
  for (const place of [to, other, to]) sources.wait(place);
  assert.deepEqual(sources.waiting(false), [to, other]);
  assert.deepEqual(sources.waiting(true), [to, other]);
  assert.deepEqual(sources.waiting(true), []);
  for (let port = 0; port < 100; port++) sources.wait({ ...to, port });
  assert.equal(sources.waiting(true).length, 64);
});

const challenges = new Challenges(createMac(Uint8Array.fromHex(vectors.challengeSecret)));
const otherKeyId = Uint8Array.of(1, 2, 3, 4);

Deno.test("Challenges.present() never makes the challenge of zeros, which means none", () => {
  const unlikely = new Challenges(() => new Uint8Array(16));
  assert.equal(unlikely.present(routerKey.id, 0).toHex(), "0000000000000001");
  assert.ok(!unlikely.isRight(new Uint8Array(8), routerKey.id, 0));
  const other = new Challenges(() => new Uint8Array(16).fill(2, 1));
  assert.equal(other.present(routerKey.id, 0).toHex(), "0002020202020202");
});

Deno.test("Challenges.present() makes the golden challenges, one for 30 seconds", () => {
  for (const { slot, challenge } of vectors.challenges) {
    for (const now of [30_000 * slot, 30_000 * slot + 29_999.9]) {
      assert.equal(challenges.present(routerKey.id, now).toHex(), challenge);
    }
  }
});

Deno.test("Challenges.isRight() takes the present challenge and the last one, of the same key and start", () => {
  fc.assert(fc.property(fc.nat(1e9), fc.nat(100_000), (then, age) => {
    const challenge = challenges.present(routerKey.id, then);
    const slots = Math.floor((then + age) / 30_000) - Math.floor(then / 30_000);
    assert.equal(challenges.isRight(challenge, routerKey.id, then + age), slots <= 1);
    assert.ok(challenge.some(Boolean));
    assert.equal(challenges.isRight(challenge, otherKeyId, then), false);
    assert.equal(
      new Challenges(createMac(new Uint8Array(32))).isRight(challenge, routerKey.id, then),
      false,
    );
    assert.equal(challenges.isRight(new Uint8Array(8), routerKey.id, then), false);
  }));
});
