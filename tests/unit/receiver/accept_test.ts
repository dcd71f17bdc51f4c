/** The order of checks: every reason, and which comes first where several apply. */
import assert from "node:assert/strict";
import {
  accept,
  type AcceptanceRules,
  type AcceptanceState,
  type Accepted,
  createAcceptanceState,
  createLegacyCheck,
  type Refusal,
} from "../../../lib/receiver/accept.ts";
import type { Clock } from "../../../lib/time.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { isSignedBy } from "../../../lib/wire/ed25519_node.ts";
import { formatKey, parseRouterKeys } from "../../../lib/wire/keys.ts";
import {
  type FlushRequest,
  parseRequest,
  requestFilterOf,
  requestHeaderFault,
} from "../../../lib/wire/request.ts";
import { seal } from "../../support/datagrams.ts";
import { createTestTime, type TestTime } from "../../support/test_time.ts";
import { manyAddresses, otherRouter, router, routerKeys, signed } from "./harness.ts";

const source = parsePrefix("192.0.2.1");
const secret = new Uint8Array(32).fill(3);

const rules: AcceptanceRules = {
  isAllowed: () => true,
  routerKeys,
  isSignedBy,
  isLegacy: null,
  toleranceMs: 60_000,
};

/** A host whose time a test advances, and what it thinks of datagrams. */
function startHost(startedAgo = 3_600_000) {
  const time = createTestTime();
  const state = createAcceptanceState(time.wall() - startedAgo, secret);
  let inForce = rules;
  const judge = (bytes: Uint8Array) => accept(bytes, source, inForce, state, time);
  return {
    time,
    state,
    configure: (changes: Partial<AcceptanceRules>) => void (inForce = { ...inForce, ...changes }),
    present: judge,
    /** The verdict in words: its kind, or the reason of a refusal. */
    judge: (bytes: Uint8Array) => word(judge(bytes)),
    /** A fresh request. */
    fresh: (changes: Partial<FlushRequest> = {}) => signed({ created: time.wall(), ...changes }),
    /** A request out of date, by an hour unless said otherwise. */
    late: (changes: Partial<FlushRequest> = {}) =>
      signed({ created: time.wall() - 3_600_000, ...changes }),
    /** One that answers the host's present challenge. */
    repair: (changes: Partial<FlushRequest> = {}) =>
      signed({ created: 5, challenge: challengeOf(state, time), ...changes }),
  };
}

function challengeOf({ challenges }: AcceptanceState, time: TestTime): Uint8Array {
  return challenges.present(router.key.id, time.monotonic());
}

function word(verdict: Refusal | Accepted): string {
  if (verdict.kind === "stale") return `stale by ${verdict.reason}`;
  return verdict.kind === "refused" ? verdict.reason : verdict.kind;
}

/** Flips a bit of each of these bytes and makes the filter right again, as an insider can. */
function forged(bytes: Uint8Array<ArrayBuffer>, ...at: number[]): Uint8Array<ArrayBuffer> {
  const changed = bytes.slice();
  for (const i of at) changed[i] ^= 1;
  seal(changed, { ...router, sign: () => changed.slice(-80, -16) });
  return changed;
}

/** Changes bytes and signs them anew, as an authentic router that is broken. */
function broken(bytes: Uint8Array<ArrayBuffer>, change: (bytes: Uint8Array) => void) {
  const changed = bytes.slice();
  change(changed);
  seal(changed, router);
  return changed;
}

const signatureAt = -80;

Deno.test("accept() accepts a fresh authentic request from an allowed source", () => {
  const { present, fresh } = startHost();
  const bytes = fresh();
  const verdict = present(bytes);
  assert.ok(verdict.kind === "new");
  assert.equal(verdict.request.sender, "r1");
  assert.equal(verdict.seen.key, routerKeys.keys[0]);
  assert.equal(verdict.isRemembered, true);
  assert.deepEqual(verdict.seen.filter, requestFilterOf(bytes));
});

Deno.test("accept() keeps nothing of the datagram's buffer", () => {
  const { present, fresh, late } = startHost();
  const listed = { action: "flush listed", addresses: [parsePrefix("192.0.2.254")] } as const;
  const [first, second] = [fresh(listed), late(listed)];
  const kinds = [first, first, second, second].map((sent) => {
    const bytes = sent.slice();
    const verdict = present(bytes);
    bytes.fill(0xff);
    const parsed = parseRequest(sent);
    assert.ok("seen" in verdict && parsed !== null);
    if ("request" in verdict) assert.deepEqual(verdict.request, parsed);
    const { id, created, acknowledge, ackSpreadMs, filter } = verdict.seen;
    assert.deepEqual([id, created, filter], [parsed.id, parsed.created, requestFilterOf(sent)]);
    assert.deepEqual([acknowledge, ackSpreadMs], [parsed.acknowledge, parsed.ackSpreadMs]);
    return verdict.kind;
  });
  assert.deepEqual(kinds, ["new", "copy", "stale", "copy"]);
});

// 1: source and form.

Deno.test("accept() refuses a source outside the allowed networks before it reads a byte", () => {
  const { judge, fresh, configure } = startHost();
  const legacy = new TextEncoder().encode("secret");
  configure({ isAllowed: (asked) => asked !== source, isLegacy: createLegacyCheck("secret") });
  for (const bytes of [fresh(), new Uint8Array(0), legacy]) assert.equal(judge(bytes), "source");
});

// 2: filter.

Deno.test("accept() refuses a wrong filter before anything that takes longer", () => {
  const { judge, fresh, late, configure } = startHost();
  configure({
    isSignedBy() {
      throw new Error("The signature was looked at");
    },
  });
  for (const bytes of [fresh(), late(), fresh({ challenge: new Uint8Array(8).fill(1) })]) {
    bytes[bytes.length - 1] ^= 1;
    assert.equal(judge(bytes), "filter");
  }
  const content = broken(fresh(), (bytes) => bytes[48] = 0xff);
  content[20] ^= 1;
  assert.equal(judge(content), "filter");
});

// 3: what is known already.

Deno.test("accept() checks no signature of a copy, fresh or not any more, accepted or stale", () => {
  const { present, judge, fresh, late, time, configure } = startHost();
  const [accepted, stale] = [fresh(), late()];
  const first = present(accepted);
  assert.equal(judge(stale), "stale by clock");
  configure({ isSignedBy: () => false });
  time.pass(61_000);
  time.step(86_400_000);
  const copy = present(accepted);
  assert.ok(first.kind === "new" && copy.kind === "copy");
  assert.equal(copy.seen, first.seen);
  const again = present(stale);
  assert.ok(again.kind === "copy" && again.seen.isStale);
});

Deno.test("accept() refuses a known id under another filter, before its challenge and signature", () => {
  for (const kind of ["fresh", "late"] as const) {
    const host = startHost();
    const id = new Uint8Array(16).fill(7);
    host.judge(host[kind]({ id }));
    assert.equal(host.judge(host.fresh({ id, sender: "r2" })), "id reused");
    const other = host.fresh({ id, challenge: new Uint8Array(8).fill(1) });
    assert.equal(host.judge(forged(other, 48)), "id reused");
  }
});

Deno.test("accept() tells the ids of two routers apart", () => {
  const { judge, configure, time } = startHost();
  configure({ routerKeys: parseRouterKeys([router.publicText, otherRouter.publicText]) });
  const id = new Uint8Array(16).fill(7);
  assert.equal(judge(signed({ id, created: time.wall() })), "new");
  assert.equal(judge(signed({ id, created: time.wall() }, otherRouter)), "new");
});

// 4: challenge, tolerance, floor, stale table.

Deno.test("accept() refuses a challenge that isn't its own, before the signature", () => {
  const { judge, fresh, state, time, configure } = startHost();
  const isRight = (challenge: Uint8Array) => judge(fresh({ challenge }));
  const own = challengeOf(state, time);
  const otherStart = createAcceptanceState(0, new Uint8Array(32).fill(4));
  assert.equal(isRight(own.with(7, own[7] ^ 1)), "challenge");
  assert.equal(isRight(challengeOf(otherStart, time)), "challenge", "another start");
  const ofOther = state.challenges.present(otherRouter.key.id, time.monotonic());
  assert.equal(isRight(ofOther), "challenge", "another router's");
  configure({ isSignedBy: () => false });
  for (const end of [1, 8]) assert.equal(isRight(new Uint8Array(8).fill(1, 0, end)), "challenge");
  assert.equal(isRight(own), "signature");
});

Deno.test("accept() doesn't look at the creation of a request with a right challenge", () => {
  for (const created of [0, 5, Number.MAX_SAFE_INTEGER]) {
    const { judge, repair } = startHost();
    assert.equal(judge(repair({ created })), "new");
  }
});

Deno.test("accept() calls a request stale outside the tolerance on either side, not inside", () => {
  for (const sign of [-1, 1]) {
    const { judge, fresh, time } = startHost();
    assert.equal(judge(fresh({ created: time.wall() + sign * 60_000 })), "new");
    assert.equal(judge(fresh({ created: time.wall() + sign * 60_001 })), "stale by clock");
  }
});

Deno.test("accept() calls a request stale that was created no later than the service's start", () => {
  const { judge, fresh, time } = startHost(10);
  assert.equal(judge(fresh({ created: time.wall() - 10 })), "stale by start");
  assert.equal(judge(fresh({ created: time.wall() - 60_001 })), "stale by clock");
  assert.equal(judge(fresh({ created: time.wall() - 9 })), "new");
});

Deno.test("accept() forgets a stale request after a while, and takes it if it is fresh then", () => {
  const { judge, fresh, time } = startHost();
  const bytes = fresh({ created: time.wall() + 121_000 });
  assert.equal(judge(bytes), "stale by clock");
  time.pass(120_999);
  assert.equal(judge(bytes), "copy");
  time.pass(1);
  assert.equal(judge(bytes), "new");
});

Deno.test("accept() remembers 64 stale requests, then only what is created no earlier", () => {
  const { judge, late, time } = startHost();
  const base = time.wall() - 3_600_000;
  const table = Array.from({ length: 64 }, (_, i) => late({ created: base + i }));
  // The earliest isn't the one that came first.
  for (const bytes of [...table.slice(32), ...table.slice(0, 32)]) {
    assert.equal(judge(bytes), "stale by clock");
  }
  const early = late({ created: base + 62 });
  assert.equal(judge(early), "stale table full");
  assert.equal(judge(forged(early, 48)), "stale table full", "before the signature");
  // As late as the latest: it takes the place of the earliest.
  assert.equal(judge(late({ created: base + 63 })), "stale by clock");
  assert.equal(judge(table[1]), "copy");
  assert.equal(judge(table[0]), "stale table full");
});

Deno.test("accept() remembers nothing stale that isn't signed", () => {
  const { judge, late, time } = startHost();
  for (let i = 0; i < 200; i++) {
    assert.equal(judge(forged(late({ created: time.wall() + 86_400_000 }), 48)), "signature");
  }
  assert.equal(judge(late()), "stale by clock");
});

Deno.test("accept() takes fresh requests and repairs while its stale table is full", () => {
  const { judge, late, fresh, repair, time } = startHost();
  for (let i = 0; i < 64; i++) judge(late({ created: time.wall() + 86_400_000 }));
  assert.equal(judge(late()), "stale table full");
  assert.equal(judge(fresh()), "new");
  assert.equal(judge(repair()), "new");
});

// 5: signature.

Deno.test("accept() refuses each signature but the listed router's, of these bytes", () => {
  const { judge, fresh, time, present } = startHost();
  const insider = { ...router, sign: otherRouter.sign };
  assert.equal(judge(signed({ created: time.wall() }, insider)), "signature");
  const bytes = fresh();
  assert.equal(judge(forged(bytes, bytes.length + signatureAt)), "signature");
  const verdict = present(forged(bytes, 48));
  assert.deepEqual(verdict, { kind: "refused", reason: "signature", key: undefined });
  assert.equal(judge(bytes), "new", "nothing was remembered");
});

// 6: content.

Deno.test("accept() refuses broken content of an authentic router and names its key", () => {
  const listed = { action: "flush listed", addresses: [parsePrefix("192.0.2.254")] } as const;
  const changes: ((bytes: Uint8Array) => void)[] = [
    (bytes) => bytes[48] = 0xff,
    (bytes) => bytes[111] = 0x61,
    (bytes) => bytes[112] = 5,
    (bytes) => bytes[113] = 33,
    (bytes) => bytes[113] = 8,
    (bytes) => bytes[129] = 1,
  ];
  for (const change of changes) {
    const { present, fresh, late, repair, judge } = startHost();
    for (const make of [fresh, late, repair]) {
      const bytes = make(listed);
      const verdict = present(broken(bytes, change));
      assert.deepEqual(verdict, { kind: "refused", reason: "content", key: routerKeys.keys[0] });
      assert.notEqual(judge(bytes), "id reused", "nothing was remembered");
    }
  }
});

// 8: what is remembered, and for how long.

Deno.test("accept() remembers an id for twice the tolerance and a second, by the tolerance then", () => {
  const { judge, fresh, time, configure } = startHost();
  configure({ toleranceMs: 1_000 });
  const short = fresh();
  assert.equal(judge(short), "new");
  configure({ toleranceMs: 300_000 });
  const long = fresh();
  assert.equal(judge(long), "new");
  configure({ toleranceMs: 1_000 });
  time.pass(60_999);
  assert.equal(judge(short), "copy", "a minute at least");
  time.pass(1);
  assert.equal(judge(short), "stale by clock");
  time.pass(601_000 - 61_001);
  assert.equal(judge(long), "copy");
  time.pass(1);
  assert.equal(judge(long), "stale by clock");
});

Deno.test("accept() calls what it has forgotten stale, wherever the clock was stepped", () => {
  for (const step of [-3_600_000, -121_000, 0, 86_400_000]) {
    const { judge, fresh, time } = startHost(86_400_000);
    const bytes = fresh();
    const earlier = fresh({ created: time.wall() - 1 });
    assert.equal(judge(bytes), "new");
    time.pass(121_000);
    time.step(step);
    assert.match(judge(bytes), /^stale/);
    time.step(-step - 121_000);
    // Under the floor, though its own id was never seen.
    assert.equal(judge(earlier), "stale by floor");
    assert.equal(judge(fresh({ created: time.wall() + 1 })), "new");
  }
});

Deno.test("accept() lets no request with a challenge move the floor", () => {
  const { judge, fresh, repair, time } = startHost();
  const bytes = repair({ created: time.wall() + 86_400_000 });
  assert.equal(judge(bytes), "new");
  assert.equal(judge(bytes), "copy");
  time.pass(121_000);
  assert.equal(judge(bytes), "challenge");
  assert.equal(judge(fresh()), "new");
});

Deno.test("accept() takes out a key and puts it in again: its ids and its floor are there", () => {
  const { judge, fresh, late, time, configure } = startHost();
  const [bytes, stale] = [fresh(), late()];
  assert.equal(judge(bytes), "new");
  assert.equal(judge(stale), "stale by clock");
  configure({ routerKeys: parseRouterKeys([otherRouter.publicText]) });
  assert.equal(judge(bytes), "key");
  configure({ routerKeys: parseRouterKeys([router.publicText]) });
  assert.equal(judge(bytes), "copy");
  assert.equal(judge(stale), "copy");
  configure({ routerKeys: parseRouterKeys([]) });
  time.pass(121_000);
  time.step(-121_000);
  configure({ routerKeys: parseRouterKeys([formatKey("public", router.key.publicKey)]) });
  assert.equal(judge(bytes), "stale by floor", "the floor rose when it was forgotten");
});

Deno.test("accept() changes nothing for what it refuses", () => {
  const { judge, fresh, state } = startHost();
  const bytes = fresh();
  for (const at of [0, 8, 20, 40, 48, 112, bytes.length + signatureAt, bytes.length - 1]) {
    const changed = bytes.slice();
    changed[at] ^= 1;
    judge(changed);
    if (at !== bytes.length - 1) judge(forged(bytes, at));
  }
  assert.equal(state.windows.of(router.key).size, 0);
  assert.equal(judge(bytes), "new");
});

Deno.test("accept() reads no clock for what is refused unsigned, and each once at most", () => {
  const { state, fresh, late, time } = startHost();
  let readings = "";
  const counted: Clock = {
    monotonic: () => (readings += "m", time.monotonic()),
    wall: () => (readings += "w", time.wall()),
  };
  const genuine = fresh();
  const cases: [string, string, Uint8Array, Partial<AcceptanceRules>?][] = [
    ["source", "", genuine, { isAllowed: () => false }],
    ["length", "", new Uint8Array(5)],
    ["key", "", signed({}, otherRouter)],
    ["filter", "", genuine.with(-1, genuine[genuine.length - 1] ^ 1)],
    ["new", "mw", genuine],
    ["copy", "m", genuine],
    ["stale by clock", "mw", late()],
  ];
  for (const [expected, read, bytes, changes] of cases) {
    readings = "";
    const verdict = accept(bytes, source, { ...rules, ...changes }, state, counted);
    assert.equal(word(verdict), expected);
    assert.equal(readings, read, expected);
  }
});

const passwordBytes = (text: string) => new TextEncoder().encode(text);

Deno.test("accept() takes the legacy datagram only with a password, and its copies for copies", () => {
  // The second is as long as a request.
  for (const password of ["secret", "p".repeat(38) + "\0" + "p".repeat(193)]) {
    const { judge, configure } = startHost();
    const bytes = passwordBytes(password);
    const refused = requestHeaderFault(bytes);
    assert.equal(judge(bytes), refused);
    configure({ isLegacy: createLegacyCheck(password) });
    assert.equal(judge(bytes), "legacy");
    assert.equal(judge(bytes), "legacy copy");
    assert.equal(judge(bytes.with(0, 0)), refused);
  }
});

Deno.test("createLegacyCheck() takes the password with one NUL, LF or CRLF behind it, nothing else", () => {
  const check = createLegacyCheck("TopSecret!");
  const isTaken = (text: string) => check(passwordBytes(text));
  for (const end of ["", "\0", "\n", "\r\n"]) assert.ok(isTaken(`TopSecret!${end}`), `${end}`);
  const others = ["", "TopSecret", "topsecret!", "TopSecret!!", " TopSecret!", "\n", "\0", "\r\n"];
  for (const end of ["\r", "\n\n", "\0\0", "\n\0", "\r\0", "\r\n\r\n", "\n\r", " "]) {
    others.push(`TopSecret!${end}`);
  }
  for (const other of others) assert.equal(isTaken(other), false, JSON.stringify(other));
  const endsItself = createLegacyCheck("a\n");
  const taken = ["a\n", "a\n\n", "a"].map((text) => endsItself(passwordBytes(text)));
  assert.deepEqual(taken, [true, true, false]);
});

Deno.test("createLegacyCheck() refuses an empty password: it would accept any stray newline", () => {
  assert.throws(() => createLegacyCheck(""), RangeError);
});

Deno.test("isLegacyCopy() takes what comes from a source within 5 s of the first for its copy", () => {
  const isCopy = createAcceptanceState(0, secret).isLegacyCopy;
  for (const text of ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]) {
    const source = parsePrefix(text);
    assert.equal(isCopy(source, 1_000), false);
    assert.equal(isCopy(source, 1_000), true);
  }
  for (const now of [3_000, 5_999]) assert.equal(isCopy(source, now), true);
  // Five seconds after the first, not after the last copy.
  assert.equal(isCopy(source, 6_000), false);
  assert.equal(isCopy(source, 6_001), true);
});

Deno.test("isLegacyCopy() remembers 1,024 sources and calls no other one's request a copy", () => {
  const isCopy = createAcceptanceState(0, secret).isLegacyCopy;
  for (const other of manyAddresses(1_024)) isCopy(other, 0);
  for (const now of [1, 2]) assert.equal(isCopy(source, now), false);
  assert.equal(isCopy(parsePrefix("10.0.0.0"), 3), true);
  assert.equal(isCopy(source, 5_000), false);
  assert.equal(isCopy(source, 5_001), true);
});
