/** The order of checks: every reason, and which comes first where several apply. */
import assert from "node:assert/strict";
import {
  accept,
  type AcceptanceMemory,
  type AcceptanceRules,
  createLegacyCopies,
  type Verdict,
} from "../../../lib/receiver/accept.ts";
import { createReplayWindow } from "../../../lib/receiver/replay_window.ts";
import type { Clock, Instant } from "../../../lib/time.ts";
import { macLength } from "../../../lib/wire/keys.ts";
import { createLegacyCheck } from "../../../lib/wire/legacy.ts";
import { parseRequest, requestHeaderFault, requestMacOf } from "../../../lib/wire/request.ts";
import { address, key, keyring, otherKey, signed } from "./helpers.ts";

/** Clocks that stand still. */
function stopped({ monotonic, wall }: Instant): Clock {
  return { monotonic: () => monotonic, wall: () => wall };
}

const now = { monotonic: 1_000_000, wall: 1_700_000_000_000 };
const clock = stopped(now);
const source = address("192.0.2.1");

const rules: AcceptanceRules = {
  isAllowed: () => true,
  keyring,
  isLegacy: null,
  toleranceMs: 60_000,
};

function newMemory(startedAt = now.wall - 3_600_000): AcceptanceMemory {
  return { window: createReplayWindow(startedAt), isLegacyCopy: createLegacyCopies() };
}

/** The verdict on bytes in a word: its kind, or the reason of a refusal. */
function judge(
  bytes: Uint8Array,
  changes: Partial<AcceptanceRules> = {},
  memory = newMemory(),
  at = now,
): string {
  return word(accept(bytes, source, { ...rules, ...changes }, memory, stopped(at)));
}

function word(verdict: Verdict): string {
  return verdict.kind === "refused" ? verdict.reason : verdict.kind;
}

const fresh = { created: now.wall } as const;

/** A request's bytes with some of them changed and the MAC made anew. */
function tampered(change: (bytes: Uint8Array) => void, bytes = signed(fresh)): Uint8Array {
  change(bytes);
  bytes.set(key.requestMac(bytes.subarray(0, -macLength)), bytes.length - macLength);
  return bytes;
}

Deno.test("accept() accepts a fresh authentic request from an allowed source", () => {
  const bytes = signed(fresh);
  const verdict = accept(bytes, source, rules, newMemory(), clock);
  assert.ok(verdict.kind === "accepted");
  assert.equal(verdict.request.sender, "r1");
  assert.equal(verdict.key, key);
  assert.equal(verdict.remembered, true);
  assert.deepEqual(verdict.seen.mac, requestMacOf(bytes));
});

Deno.test("accept() keeps nothing of the datagram's buffer", () => {
  const memory = newMemory();
  const listed = { action: "flush listed", addresses: [address("192.0.2.254")] } as const;
  const [request, late] = [now.wall, now.wall - 60_001].map((created) =>
    signed({ ...listed, created })
  );
  const kinds: string[] = [];
  for (const sent of [request, request, late]) {
    const bytes = sent.slice();
    const verdict = accept(bytes, source, rules, memory, clock);
    bytes.fill(0xff);
    kinds.push(verdict.kind);
    const parsed = parseRequest(sent);
    assert.ok(verdict.kind !== "refused" && "key" in verdict && parsed !== null);
    if (verdict.kind !== "repeat") assert.deepEqual(verdict.request, parsed);
    if (verdict.kind === "stale") assert.deepEqual(verdict.mac, requestMacOf(sent));
    else {
      const { id, created, acknowledge, ackSpreadMs, mac } = verdict.seen;
      const { id: sentId, created: sentAt } = parsed;
      assert.deepEqual([id, created, mac], [sentId, sentAt, requestMacOf(sent)]);
      assert.deepEqual([acknowledge, ackSpreadMs], [parsed.acknowledge, parsed.ackSpreadMs]);
    }
  }
  assert.deepEqual(kinds, ["accepted", "repeat", "stale"]);
});

Deno.test("accept() gives a copy whose flush is to be tried again as it came", () => {
  const memory = newMemory();
  const bytes = signed(fresh);
  const first = accept(bytes, source, rules, memory, clock);
  assert.ok(first.kind === "accepted");
  first.seen.outcome = { status: "failed", error: 5, entries: 0, micros: 0, reports: [] };
  const copy = bytes.slice();
  const again = accept(copy, source, rules, memory, clock);
  copy.fill(0xff);
  assert.ok(again.kind === "accepted");
  assert.deepEqual(again.request, first.request);
});

Deno.test("accept() refuses a source outside the allowed networks before it reads a byte", () => {
  const isAllowed = (asked: typeof source) => asked !== source;
  assert.equal(judge(signed(fresh), { isAllowed }), "source");
  assert.equal(judge(new Uint8Array(0), { isAllowed }), "source");
  const isLegacy = createLegacyCheck("secret");
  assert.equal(judge(new TextEncoder().encode("secret"), { isAllowed, isLegacy }), "source");
});

Deno.test("accept() names every header fault", () => {
  const faults: [string, Uint8Array][] = [
    ["length", signed(fresh).subarray(1)],
    ["length", new Uint8Array(0)],
    ["magic", tampered((bytes) => bytes[0]++)],
    ["version", tampered((bytes) => bytes[4]++)],
    ["type", tampered((bytes) => bytes[5]++)],
    ["reserved", tampered((bytes) => bytes[7] |= 4)],
    ["reserved", tampered((bytes) => bytes[47] = 1)],
  ];
  for (const [reason, bytes] of faults) {
    assert.equal(requestHeaderFault(bytes), reason);
    assert.equal(judge(bytes), reason);
  }
});

Deno.test("accept() refuses a key it doesn't hold, and every key when it holds none", () => {
  assert.equal(judge(signed(fresh, otherKey)), "key");
  assert.equal(judge(signed(fresh), { keyring: null }), "key");
});

Deno.test("accept() refuses a wrong MAC before it looks at the content", () => {
  const bytes = signed(fresh);
  bytes[6] = 9;
  assert.equal(judge(bytes), "mac");
  const last = signed(fresh);
  last[last.length - 1] ^= 1;
  assert.equal(judge(last), "mac");
});

Deno.test("accept() reads no clock for what is refused unsigned, and each once at most for the rest", () => {
  let readings = "";
  const counted: Clock = {
    monotonic: () => (readings += "m", now.monotonic),
    wall: () => (readings += "w", now.wall),
  };
  const memory = newMemory();
  const judgeTimed = (bytes: Uint8Array, changes: Partial<AcceptanceRules> = {}) => {
    readings = "";
    return word(accept(bytes, source, { ...rules, ...changes }, memory, counted));
  };
  const genuine = signed(fresh);
  const forged = genuine.with(-1, genuine.at(-1)! ^ 1);
  const cases: [string, string, Uint8Array, Partial<AcceptanceRules>?][] = [
    ["source", "", genuine, { isAllowed: () => false }],
    ["length", "", new Uint8Array(5)],
    ["key", "", signed(fresh, otherKey)],
    ["mac", "", forged],
    ["accepted", "mw", genuine],
    ["repeat", "m", genuine],
    ["stale", "mw", signed({ created: 5 })],
  ];
  for (const [word, read, bytes, changes] of cases) {
    assert.equal(judgeTimed(bytes, changes), word);
    assert.equal(readings, read, word);
  }
});

Deno.test("accept() refuses a request with the right key id signed by another key", () => {
  const bytes = signed(fresh, otherKey);
  bytes.set(key.id, 8);
  assert.equal(judge(bytes), "mac");
});

Deno.test("accept() refuses content that contradicts itself and names the key it came with", () => {
  const bytes = tampered((bytes) => bytes[6] = 9);
  const verdict = accept(bytes, source, rules, newMemory(), clock);
  assert.deepEqual(verdict, { kind: "refused", reason: "content", key });
});

Deno.test("accept() refuses broken content before it asks whether the id was seen or fresh", () => {
  const memory = newMemory();
  const bytes = signed(fresh);
  assert.equal(judge(bytes, {}, memory), "accepted");
  assert.equal(judge(tampered((bytes) => bytes[6] = 9, bytes), {}, memory), "content");
});

Deno.test("accept() calls a copy a repeat, also when it isn't fresh any more", () => {
  const memory = newMemory();
  const bytes = signed(fresh);
  assert.equal(judge(bytes, {}, memory), "accepted");
  assert.equal(judge(bytes, {}, memory), "repeat");
  const later = { monotonic: now.monotonic + 61_000, wall: now.wall + 61_000 };
  assert.equal(judge(bytes, {}, memory, later), "repeat");
});

Deno.test("accept() refuses a seen id under another MAC", () => {
  const memory = newMemory();
  const id = new Uint8Array(16).fill(7);
  assert.equal(judge(signed({ ...fresh, id }), {}, memory), "accepted");
  assert.equal(judge(signed({ ...fresh, id, sender: "r2" }), {}, memory), "id reused");
});

Deno.test("accept() accepts a copy once more after its flush failed, and only then", () => {
  const memory = newMemory();
  const bytes = signed(fresh);
  const first = accept(bytes, source, rules, memory, clock);
  assert.ok(first.kind === "accepted");
  const outcome = { error: 0, entries: 0, micros: 0, reports: [] };
  first.seen.outcome = { ...outcome, status: "failed" };
  const second = accept(bytes, source, rules, memory, clock);
  assert.ok(second.kind === "accepted");
  assert.equal(second.seen, first.seen);
  assert.equal(judge(bytes, {}, memory), "repeat");
  first.seen.outcome = { ...outcome, status: "flushed" };
  assert.equal(judge(bytes, {}, memory), "repeat");
});

Deno.test("accept() calls a request stale outside the tolerance on either side, not inside", () => {
  for (const sign of [-1, 1]) {
    assert.equal(judge(signed({ created: now.wall + sign * 60_000 })), "accepted");
    assert.equal(judge(signed({ created: now.wall + sign * 60_001 })), "stale");
  }
});

Deno.test("accept() calls a request stale that was created before the service started", () => {
  const memory = newMemory(now.wall - 10);
  assert.equal(judge(signed({ created: now.wall - 11 }), {}, memory), "stale");
  assert.equal(judge(signed({ created: now.wall - 10 }), {}, memory), "accepted");
});

Deno.test("accept() remembers nothing of a stale request", () => {
  const memory = newMemory();
  const bytes = signed({ created: now.wall + 61_000 });
  assert.equal(judge(bytes, {}, memory), "stale");
  const later = { monotonic: now.monotonic + 2_000, wall: now.wall + 2_000 };
  assert.equal(judge(bytes, {}, memory, later), "accepted");
});

Deno.test("accept() gives a stale verdict the clock that a correction gets through with", () => {
  const memory = newMemory();
  const verdict = accept(signed({ created: 5 }), source, rules, memory, clock);
  assert.ok(verdict.kind === "stale");
  assert.equal(verdict.clock, now.wall);
  assert.equal(judge(signed({ created: verdict.clock }), {}, memory), "accepted");
});

Deno.test("accept() takes the legacy datagram only with a password, and its copies for copies", () => {
  const bytes = new TextEncoder().encode("secret\n");
  const isLegacy = createLegacyCheck("secret");
  const memory = newMemory();
  assert.equal(judge(bytes), "length");
  assert.equal(judge(bytes, { isLegacy }, memory), "legacy");
  assert.equal(judge(bytes, { isLegacy }, memory), "legacy copy");
  assert.equal(judge(new TextEncoder().encode("Secret"), { isLegacy }, memory), "length");
});

Deno.test("accept() takes a long legacy password for what it is", () => {
  const password = "p".repeat(128);
  const bytes = new TextEncoder().encode(password);
  assert.equal(requestHeaderFault(bytes), "length");
  const magic = new TextEncoder().encode("p".repeat(38) + "\0" + "p".repeat(89));
  assert.equal(requestHeaderFault(magic), "magic");
  const isLegacy = createLegacyCheck(new TextDecoder().decode(magic));
  assert.equal(judge(magic, { isLegacy }), "legacy");
});

Deno.test("accept() changes nothing for what it refuses", () => {
  const memory = newMemory();
  const id = new Uint8Array(16).fill(9);
  const forged = signed({ ...fresh, id });
  forged[forged.length - 1] ^= 1;
  assert.equal(judge(forged, {}, memory), "mac");
  assert.equal(memory.window.size, 0);
  assert.equal(judge(signed({ ...fresh, id }), {}, memory), "accepted");
});
