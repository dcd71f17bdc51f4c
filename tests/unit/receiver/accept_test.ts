/** The order of checks: every reason, and which comes first where several apply. */
import assert from "node:assert/strict";
import {
  accept,
  type AcceptanceRules,
  type AcceptanceState,
  type Accepted,
  type AddressInfo,
  allowNetworks,
  createAcceptanceState,
  OnLinkSources,
  parseSource,
  type Refusal,
} from "../../../lib/receiver/accept.ts";
import type { Clock, Instant } from "../../../lib/time.ts";
import { type AddressPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { macLength } from "../../../lib/wire/keys.ts";
import { createLegacyCheck } from "../../../lib/wire/legacy.ts";
import { parseRequest, requestHeaderFault, requestMacOf } from "../../../lib/wire/request.ts";
import { createTestTime } from "../../support/test_time.ts";
import { key, keyring, otherKey, signed } from "./harness.ts";

/** Clocks that stand still. */
function stopped({ monotonic, wall }: Instant): Clock {
  return { monotonic: () => monotonic, wall: () => wall };
}

const now = { monotonic: 1_000_000, wall: 1_700_000_000_000 };
const clock = stopped(now);
const source = parsePrefix("192.0.2.1");

const rules: AcceptanceRules = {
  isAllowed: () => true,
  keyring,
  isLegacy: null,
  toleranceMs: 60_000,
};

function newState(startedAt = now.wall - 3_600_000): AcceptanceState {
  return createAcceptanceState(startedAt);
}

/** The verdict on bytes in a word: its kind, or the reason of a refusal. */
function judge(
  bytes: Uint8Array,
  changes: Partial<AcceptanceRules> = {},
  state = newState(),
  at = now,
): string {
  return word(accept(bytes, source, { ...rules, ...changes }, state, stopped(at)));
}

function word(verdict: Refusal | Accepted): string {
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
  const verdict = accept(bytes, source, rules, newState(), clock);
  assert.ok(verdict.kind === "new");
  assert.equal(verdict.request.sender, "r1");
  assert.equal(verdict.key, key);
  assert.equal(verdict.remembered, true);
  assert.deepEqual(verdict.seen.mac, requestMacOf(bytes));
});

Deno.test("accept() keeps nothing of the datagram's buffer", () => {
  const state = newState();
  const listed = { action: "flush listed", addresses: [parsePrefix("192.0.2.254")] } as const;
  const [request, late] = [now.wall, now.wall - 60_001].map((created) =>
    signed({ ...listed, created })
  );
  const kinds: string[] = [];
  for (const sent of [request, request, late]) {
    const bytes = sent.slice();
    const verdict = accept(bytes, source, rules, state, clock);
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
  assert.deepEqual(kinds, ["new", "repeat", "stale"]);
});

Deno.test("accept() gives a copy whose flush is to be tried again as it came", () => {
  const state = newState();
  const bytes = signed(fresh);
  const first = accept(bytes, source, rules, state, clock);
  assert.ok(first.kind === "new");
  first.seen.result = { status: "failed", error: 5, entries: 0, micros: 0, reports: [] };
  const copy = bytes.slice();
  const again = accept(copy, source, rules, state, clock);
  copy.fill(0xff);
  assert.ok(again.kind === "new");
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
  const state = newState();
  const judgeTimed = (bytes: Uint8Array, changes: Partial<AcceptanceRules> = {}) => {
    readings = "";
    return word(accept(bytes, source, { ...rules, ...changes }, state, counted));
  };
  const genuine = signed(fresh);
  const forged = genuine.with(-1, genuine.at(-1)! ^ 1);
  const cases: [string, string, Uint8Array, Partial<AcceptanceRules>?][] = [
    ["source", "", genuine, { isAllowed: () => false }],
    ["length", "", new Uint8Array(5)],
    ["key", "", signed(fresh, otherKey)],
    ["mac", "", forged],
    ["new", "mw", genuine],
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
  const verdict = accept(bytes, source, rules, newState(), clock);
  assert.deepEqual(verdict, { kind: "refused", reason: "content", key });
});

Deno.test("accept() refuses broken content before it asks whether the id was seen or fresh", () => {
  const state = newState();
  const bytes = signed(fresh);
  assert.equal(judge(bytes, {}, state), "new");
  assert.equal(judge(tampered((bytes) => bytes[6] = 9, bytes), {}, state), "content");
});

Deno.test("accept() calls a copy a repeat, also when it isn't fresh any more", () => {
  const state = newState();
  const bytes = signed(fresh);
  assert.equal(judge(bytes, {}, state), "new");
  assert.equal(judge(bytes, {}, state), "repeat");
  const later = { monotonic: now.monotonic + 61_000, wall: now.wall + 61_000 };
  assert.equal(judge(bytes, {}, state, later), "repeat");
});

Deno.test("accept() refuses a seen id under another MAC", () => {
  const state = newState();
  const id = new Uint8Array(16).fill(7);
  assert.equal(judge(signed({ ...fresh, id }), {}, state), "new");
  assert.equal(judge(signed({ ...fresh, id, sender: "r2" }), {}, state), "id reused");
});

Deno.test("accept() accepts a copy once more after its flush failed, and only then", () => {
  const state = newState();
  const bytes = signed(fresh);
  const first = accept(bytes, source, rules, state, clock);
  assert.ok(first.kind === "new");
  const result = { error: 0, entries: 0, micros: 0, reports: [] };
  first.seen.result = { ...result, status: "failed" };
  const second = accept(bytes, source, rules, state, clock);
  assert.ok(second.kind === "new");
  assert.equal(second.seen, first.seen);
  assert.equal(second.remembered, true);
  assert.ok(second.remembered);
  assert.equal(judge(bytes, {}, state), "repeat");
  first.seen.result = { ...result, status: "flushed" };
  assert.equal(judge(bytes, {}, state), "repeat");
});

Deno.test("accept() calls a request stale outside the tolerance on either side, not inside", () => {
  for (const sign of [-1, 1]) {
    assert.equal(judge(signed({ created: now.wall + sign * 60_000 })), "new");
    assert.equal(judge(signed({ created: now.wall + sign * 60_001 })), "stale");
  }
});

Deno.test("accept() calls a request stale that was created before the service started", () => {
  const state = newState(now.wall - 10);
  assert.equal(judge(signed({ created: now.wall - 11 }), {}, state), "stale");
  assert.equal(judge(signed({ created: now.wall - 10 }), {}, state), "new");
});

Deno.test("accept() remembers nothing of a stale request", () => {
  const state = newState();
  const bytes = signed({ created: now.wall + 61_000 });
  assert.equal(judge(bytes, {}, state), "stale");
  const later = { monotonic: now.monotonic + 2_000, wall: now.wall + 2_000 };
  assert.equal(judge(bytes, {}, state, later), "new");
});

Deno.test("accept() gives a stale verdict the clock that a correction gets through with", () => {
  const state = newState();
  const verdict = accept(signed({ created: 5 }), source, rules, state, clock);
  assert.ok(verdict.kind === "stale");
  assert.equal(verdict.clock, now.wall);
  assert.equal(judge(signed({ created: verdict.clock }), {}, state), "new");
});

Deno.test("accept() takes the legacy datagram only with a password, and its copies for copies", () => {
  const bytes = new TextEncoder().encode("secret\n");
  const isLegacy = createLegacyCheck("secret");
  const state = newState();
  assert.equal(judge(bytes), "length");
  assert.equal(judge(bytes, { isLegacy }, state), "legacy");
  assert.equal(judge(bytes, { isLegacy }, state), "legacy copy");
  assert.equal(judge(new TextEncoder().encode("Secret"), { isLegacy }, state), "length");
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
  const state = newState();
  const id = new Uint8Array(16).fill(9);
  const forged = signed({ ...fresh, id });
  forged[forged.length - 1] ^= 1;
  assert.equal(judge(forged, {}, state), "mac");
  assert.equal(state.window.size, 0);
  assert.equal(judge(signed({ ...fresh, id }), {}, state), "new");
});

const eth0 = { address: "192.0.2.7", cidr: "192.0.2.7/24" };
const linkLocal = { address: "fe80::1%eth0", cidr: "fe80::1%eth0/64" };

/** The check of a host with these addresses. */
function onLink(own: readonly AddressInfo[]) {
  const sources = new OnLinkSources(() => own, createTestTime());
  return (source: AddressPrefix) => sources.isAllowed(source);
}

Deno.test("OnLinkSources allows the networks of own addresses and loopback, nothing else", () => {
  const isAllowed = onLink([eth0, linkLocal]);
  for (const text of ["192.0.2.1", "192.0.2.255", "fe80::2", "127.0.0.1", "127.9.9.9", "::1"]) {
    assert.equal(isAllowed(parsePrefix(text)), true, text);
  }
  for (const text of ["192.0.3.1", "10.0.0.1", "fe80:0:0:1::1", "2001:db8::1", "0.0.0.0", "::"]) {
    assert.equal(isAllowed(parsePrefix(text)), false, text);
  }
});

Deno.test("allowNetworks() allows those networks and loopback, not what is on-link", () => {
  const isAllowed = allowNetworks([parsePrefix("10.0.0.0/8"), parsePrefix("2001:db8::5")]);
  for (const text of ["10.255.0.1", "2001:db8::5", "127.0.0.1", "::1"]) {
    assert.equal(isAllowed(parsePrefix(text)), true, text);
  }
  for (const text of ["11.0.0.1", "2001:db8::6", "::2"]) {
    assert.equal(isAllowed(parsePrefix(text)), false, text);
  }
});

Deno.test("OnLinkSources reads the interfaces anew for an unknown source, once a second at most", () => {
  const time = createTestTime();
  let reads = 0;
  let own = [eth0];
  const sources = new OnLinkSources(() => (reads++, own), time);
  const isAllowed = (source: AddressPrefix) => sources.isAllowed(source);
  const late = parsePrefix("10.0.0.1");
  assert.equal(reads, 0, "a start doesn't wait for it");
  sources.read();
  assert.equal(isAllowed(late), false);
  assert.equal(reads, 2);
  own = [eth0, { address: "10.0.0.7", cidr: "10.0.0.7/8" }];
  time.pass(999);
  for (let i = 0; i < 100; i++) assert.equal(isAllowed(late), false);
  assert.equal(reads, 2);
  time.pass(1);
  assert.equal(isAllowed(late), true);
  assert.equal(reads, 3);
  time.pass(29_999);
  assert.equal(isAllowed(late), true);
  assert.equal(reads, 3);
});

Deno.test("OnLinkSources forgets a network that is gone after 30 s", () => {
  const time = createTestTime();
  let own = [eth0];
  const sources = new OnLinkSources(() => own, time);
  const isAllowed = (source: AddressPrefix) => sources.isAllowed(source);
  const source = parsePrefix("192.0.2.1");
  assert.equal(isAllowed(source), true);
  own = [];
  time.pass(29_999);
  assert.equal(isAllowed(source), true);
  time.pass(1);
  assert.equal(isAllowed(source), false);
});

Deno.test("OnLinkSources has one timer while datagrams come, and none when it is closed", () => {
  const time = createTestTime();
  const sources = new OnLinkSources(() => [eth0], time);
  assert.equal(time.timers, 0, "before the first datagram");
  for (let i = 0; i < 100; i++) {
    assert.equal(sources.isAllowed(parsePrefix("10.0.0.1")), false);
    assert.equal(time.timers, 1);
    time.pass(1_000);
  }
  time.pass(30_000);
  assert.equal(time.timers, 0, "when no more come");
  sources.isAllowed(parsePrefix("192.0.2.1"));
  sources.close();
  assert.equal(time.timers, 0);
});

Deno.test("OnLinkSources allows an own address that is alone in its network", () => {
  const alone = { address: "192.0.2.9", cidr: "192.0.2.9/32" };
  const isAllowed = onLink([alone]);
  assert.equal(isAllowed(parsePrefix("192.0.2.9")), true);
  assert.equal(isAllowed(parsePrefix("192.0.2.8")), false);
});

Deno.test("OnLinkSources leaves out an own address that it can't read, and takes the others", () => {
  const odd = [
    { address: "eth1", cidr: "eth1/0" },
    { address: "10.0.0.7", cidr: "10.0.0.7" },
    { address: "10.0.0.7", cidr: "10.0.0.7/33" },
    { address: "2001:db8::7", cidr: "2001:db8::7/129" },
    eth0,
  ];
  const isAllowed = onLink(odd);
  assert.equal(isAllowed(parsePrefix("192.0.2.1")), true);
  for (const text of ["10.0.0.7", "10.0.0.8", "203.0.113.1", "2001:db8::7", "2001:db8::8"]) {
    assert.equal(isAllowed(parsePrefix(text)), false, text);
  }
});

Deno.test("OnLinkSources keeps the last networks while the interfaces can't be read", () => {
  const time = createTestTime();
  let broken = false;
  const sources = new OnLinkSources(() => {
    if (broken) throw new Error("Too many open files");
    return [eth0];
  }, time);
  const isAllowed = (source: AddressPrefix) => sources.isAllowed(source);
  sources.read();
  broken = true;
  assert.equal(isAllowed(parsePrefix("192.0.2.1")), true, "the first datagram");
  time.pass(60_000);
  assert.equal(isAllowed(parsePrefix("192.0.2.1")), true);
});

Deno.test("OnLinkSources understands the interfaces of this machine", () => {
  const isAllowed = onLink(Deno.networkInterfaces());
  for (const own of Deno.networkInterfaces()) {
    const source = parseSource(own.address);
    assert.ok(source !== null && isAllowed(source), own.address);
  }
});

Deno.test("parseSource() unmaps IPv4 and leaves the zone out", () => {
  assert.deepEqual(parseSource("::ffff:192.0.2.1"), parsePrefix("192.0.2.1"));
  assert.deepEqual(parseSource("fe80::1%eth0"), parsePrefix("fe80::1"));
  assert.equal(parseSource("example"), null);
});

const router1 = parsePrefix("192.0.2.1");
const router2 = parsePrefix("192.0.2.2");

Deno.test("isLegacyCopy() takes what comes within 5 s of the first for its copy", () => {
  const isCopy = createAcceptanceState(0).isLegacyCopy;
  assert.equal(isCopy(router1, 1_000), false);
  for (const now of [1_000, 3_000, 5_999]) assert.equal(isCopy(router1, now), true);
  // Five seconds after the first, not after the last copy.
  assert.equal(isCopy(router1, 6_000), false);
  assert.equal(isCopy(router1, 6_001), true);
});

Deno.test("isLegacyCopy() tells sources apart, both families", () => {
  const isCopy = createAcceptanceState(0).isLegacyCopy;
  for (const source of [router1, router2, parsePrefix("2001:db8::1"), parsePrefix("2001:db8::2")]) {
    assert.equal(isCopy(source, 0), false);
    assert.equal(isCopy(source, 1), true);
  }
});

Deno.test("isLegacyCopy() remembers 1,024 sources and calls no other one's request a copy", () => {
  const isCopy = createAcceptanceState(0).isLegacyCopy;
  for (let i = 0; i < 1_024; i++) isCopy(parsePrefix(`10.0.${i >> 8}.${i & 255}`), 0);
  assert.equal(isCopy(router1, 1), false);
  assert.equal(isCopy(router1, 2), false);
  assert.equal(isCopy(parsePrefix("10.0.0.0"), 3), true);
  assert.equal(isCopy(router1, 5_000), false);
  assert.equal(isCopy(router1, 5_001), true);
});
