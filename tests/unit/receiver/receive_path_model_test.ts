/**
 * A whole receiver over random schedules: new requests of two routers, repairs, copies from several
 * sources, a stepped clock, reloads that take keys out and put them in, flushes that take time and
 * fail, neighbors that answer late or never.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import {
  type FlushOutcome,
  type FlushScope,
  type FoundNeighbor,
  NeighborCacheError,
} from "../../../lib/neighbors/neighbor_cache.ts";
import type { AckStatus, FlushAck } from "../../../lib/wire/ack.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  isWholeAddress,
  parsePrefix,
  prefixContains,
} from "../../../lib/wire/addresses.ts";
import { parseRouterKeys } from "../../../lib/wire/keys.ts";
import { actions, type FlushRequest, requestIdOf } from "../../../lib/wire/request.ts";
import { readAck } from "../../support/datagrams.ts";
import { type Given, step } from "../../support/schedules.ts";
import { createTestTime, settle } from "../../support/test_time.ts";
import {
  notingCache,
  otherRouter,
  r1,
  router,
  signed,
  startHarness,
  testRules,
} from "./harness.ts";

const holdDown = 5_000;
const routers = [router, otherRouter];
const wholeTexts = ["192.0.2.101", "192.0.2.102", "2001:db8::1"];
const prefixTexts = ["10.0.0.0/8", "192.0.2.0/24"];
/** Time goes on in steps; what a timer starts by a promise begins up to one late. */
const stepMs = 50;

const steps = fc.oneof(
  step("pass", { ms: fc.nat(800) }, 3),
  step("pass", { ms: fc.nat(150_000) }),
  step("step clock", { ms: fc.constantFrom(-86_400_000, -3_600_000, -30_000, 30_000, 3_600_000) }),
  step("failing", { failing: fc.boolean() }, 3),
  step("flush takes", { ms: fc.constantFrom(0, 20, 700) }),
  step("keys", { listed: fc.tuple(fc.boolean(), fc.boolean()) }),
  step("tolerance", { ms: fc.constantFrom(1_000, 60_000) }),
  step("new", {
    by: fc.nat(1),
    action: fc.nat(2),
    addresses: fc.subarray([...wholeTexts, ...prefixTexts], { minLength: 1 }),
    report: fc.boolean(),
    acknowledge: fc.constantFrom(true, true, true, false),
    offset: fc.oneof(fc.constant(1), fc.integer({ min: -70_000, max: 70_000 })),
  }, 12),
  step("copy", { which: fc.nat(), port: fc.nat(3) }, 10),
);

/** A request that was sent, and when it was accepted. */
interface Known {
  readonly bytes: Uint8Array;
  readonly request: Partial<FlushRequest>;
  readonly by: typeof router;
  acceptedAt: number | null;
}

function coveredBy(scope: FlushScope, prefix: AddressPrefix): boolean {
  return scope === "all" || scope.some((other) => prefixContains(other, prefix));
}

/** Runs one schedule, checks it, and counts what happened in it. */
async function run(schedule: readonly Given<typeof steps>[], answers: readonly (number | null)[]) {
  const counts = { accepted: 0, stale: 0, repaired: 0, pending: 0, retried: 0, failed: 0 };
  const time = createTestTime();
  const begin = time.monotonic();
  const now = () => time.monotonic() - begin;
  let failing = false, takes = 0, answer = 0, toleranceMs = 60_000;
  let listed: readonly boolean[] = [true, true];
  const flushes: { at: number; scope: FlushScope }[] = [];
  const resolved: { address: string; begun: number; ended: number }[] = [];
  const { cache } = notingCache({
    flush(scope): Promise<FlushOutcome> {
      flushes.push({ at: now(), scope });
      const failure = failing ? new NeighborCacheError("Not permitted", 1) : null;
      const outcome = { removed: 1, forgotten: [], micros: 1, notes: [] };
      return new Promise((resolve, reject) =>
        time.after(takes, () => failure === null ? resolve(outcome) : reject(failure))
      );
    },
    resolve(addresses, _source, settled) {
      return Promise.all(addresses.map((address, i) => {
        const one = { address: formatAddress(address), begun: now(), ended: Infinity };
        resolved.push(one);
        const after = answers.length === 0 ? null : answers[answer++ % answers.length];
        return new Promise<FoundNeighbor>((resolve) =>
          time.after(after ?? 1_000, () => {
            one.ended = now();
            const found: FoundNeighbor = {
              state: after === null ? "no neighbor" : "neighbor",
              cached: after !== null,
              linkLayerAddress: new Uint8Array(6),
            };
            settled?.(i, found);
            resolve(found);
          })
        );
      }));
    },
  });
  const rules = () => ({
    ...testRules,
    holdDownMs: holdDown,
    toleranceMs,
    routerKeys: parseRouterKeys(
      routers.filter((_, i) => listed[i]).map(({ publicText }) => publicText),
    ),
  });
  const { receiver, deliver, sent } = startHarness({ cache, time }, rules());
  const known: Known[] = [];

  async function pass(ms: number): Promise<void> {
    // After a while nothing is under way, and time may go on at once.
    for (let left = Math.min(ms, 12_000); left > 0; left -= stepMs) {
      time.pass(Math.min(stepMs, left));
      await settle(20);
    }
    if (ms > 12_000) time.pass(ms - 12_000);
    await settle(20);
  }

  async function present(one: Known, port: number): Promise<void> {
    const before = { ...receiver.counters.counted };
    await deliver(one.bytes, { ...r1, port });
    const { counted } = receiver.counters;
    counts.stale += counted.stale - before.stale;
    if (counted.accepted === before.accepted) return;
    assert.equal(one.acceptedAt, null, "accepted twice");
    assert.ok(listed[routers.indexOf(one.by)], "accepted for a router that isn't listed");
    one.acceptedAt = now();
    counts.accepted++;
  }

  async function ask(request: Partial<FlushRequest>, by: typeof router): Promise<Known> {
    const one = { bytes: signed(request, by), request, by, acceptedAt: null };
    known.push(one);
    await present(one, 1);
    return one;
  }

  for (const one of schedule) {
    if (one.kind === "pass") await pass(one.ms);
    if (one.kind === "step clock") time.step(one.ms);
    if (one.kind === "failing") failing = one.failing;
    if (one.kind === "flush takes") takes = one.ms;
    if (one.kind === "keys") listed = one.listed;
    if (one.kind === "tolerance") toleranceMs = one.ms;
    if (one.kind === "keys" || one.kind === "tolerance") await receiver.configure(rules());
    if (one.kind === "copy" && known.length > 0) {
      const before = flushes.length;
      const copied = known[one.which % known.length];
      const isNew = copied.acceptedAt === null;
      await present(copied, one.port);
      if (flushes.length > before && !isNew) counts.retried++;
    }
    if (one.kind === "new") {
      const action = actions[one.action];
      const report = one.report && one.acknowledge;
      const addresses = report || action === "flush listed" ? one.addresses.map(parsePrefix) : [];
      const request = {
        action,
        report,
        addresses,
        acknowledge: one.acknowledge,
        created: time.wall() + one.offset,
      };
      const by = routers[one.by];
      const before = sent.length;
      const asked = await ask(request, by);
      const stale = asked.acceptedAt === null && sent.length > before
        ? readAck(sent[before].bytes, asked.bytes, by)
        : null;
      if (stale?.status === "stale" && stale.challenge !== null) {
        // A router that answers the challenge gets through at once.
        const repair = await ask({ ...request, challenge: stale.challenge }, by);
        assert.notEqual(repair.acceptedAt, null, "a repair was not accepted");
        counts.repaired++;
      }
    }
  }
  await pass(12_000);

  checkFlushes(known, flushes, resolved);
  const acks = acksOf(known, sent);
  for (const [one, all] of acks) {
    if (one.request.acknowledge === false) assert.equal(all.length, 0);
    const statuses = all.map(({ ack }) => ack.status);
    counts.pending += statuses.includes("pending") ? 1 : 0;
    counts.failed += statuses.includes("failed") ? 1 : 0;
    if (one.acceptedAt === null || one.request.acknowledge === false) continue;
    const end = one.request.action === "probe" ? "alive" : "flushed";
    assert.ok(
      statuses.includes(end) || statuses.includes("failed"),
      `${one.request.action} accepted at ${one.acceptedAt}: ${statuses}`,
    );
    if (isAllWhole(one.request)) assert.ok(!statuses.includes("pending"));
  }
  await receiver.stop();
  assert.equal(time.timers, 0);
  return counts;
}

function isAllWhole({ action, addresses = [] }: Partial<FlushRequest>): boolean {
  return action === "probe" || action === "flush listed" && addresses.every(isWholeAddress);
}

/** Every accepted request is followed by a flush of what it asks for; the rest is held down. */
function checkFlushes(
  known: readonly Known[],
  flushes: readonly { at: number; scope: FlushScope }[],
  resolved: readonly { address: string; begun: number; ended: number }[],
): void {
  for (const { acceptedAt: at, request: { action, addresses = [] } } of known) {
    if (at === null || action === "probe") continue;
    for (const address of addresses) {
      // Where eight deletions run it waits for the end of one of them, which takes 700 ms at most.
      const limit = at + (isWholeAddress(address) ? 700 : holdDown);
      assert.ok(
        flushes.some((flush) =>
          flush.at >= at && flush.at <= limit && coveredBy(flush.scope, address)
        ),
        `${formatPrefix(address)} asked for at ${at}`,
      );
      // Its deletion comes first.
      if (!isWholeAddress(address)) continue;
      const end = limit + 700 + 2_000 + 3 * stepMs;
      assert.ok(
        resolved.some((one) =>
          one.address === formatAddress(address) && one.begun >= at && one.ended <= end
        ),
        `${formatAddress(address)} asked for at ${at} was not resolved by ${end}`,
      );
    }
    if (action !== "flush all") continue;
    assert.ok(
      flushes.some((one) => one.scope === "all" && one.at >= at && one.at <= at + holdDown),
      `all asked for at ${at}`,
    );
  }
  const gated = flushes.filter(({ scope }) => scope === "all" || !scope.every(isWholeAddress));
  for (let i = 3; i < gated.length; i++) {
    assert.ok(gated[i].at - gated[i - 3].at >= holdDown, `flush at ${gated[i].at}`);
  }
}

/** The acks to each request. None is to anything else, and no source gets more than 8 of a kind. */
function acksOf(
  known: readonly Known[],
  sent: readonly { bytes: Uint8Array; to: Deno.Addr }[],
): Map<Known, { ack: FlushAck; to: Deno.Addr }[]> {
  const byId = new Map(known.map((one) => [requestIdOf(one.bytes).toHex(), one]));
  const acks = new Map(known.map((one) => [one, [] as { ack: FlushAck; to: Deno.Addr }[]]));
  for (const { bytes, to } of sent) {
    const one = byId.get(requestIdOf(bytes).toHex());
    assert.ok(one !== undefined);
    acks.get(one)?.push({ ack: readAck(bytes, one.bytes, one.by), to });
  }
  for (const all of acks.values()) {
    const counted = new Map<string, number>();
    for (const { ack, to } of all) {
      const key: `${AckStatus} ${string}` = `${ack.status} ${JSON.stringify(to)}`;
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
    assert.ok([...counted.values()].every((count) => count <= 8));
  }
  return acks;
}

Deno.test("the receive path keeps its promises in 300 random schedules", async () => {
  const totals: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { minLength: 3, maxLength: 40, size: "max" }),
      fc.array(fc.option(fc.nat(900)), { maxLength: 10 }),
      async (schedule, answers) => {
        for (const [kind, count] of Object.entries(await run(schedule, answers))) {
          totals[kind] = (totals[kind] ?? 0) + count;
        }
      },
    ),
    { numRuns: 300 },
  );
  for (const [kind, count] of Object.entries(totals)) {
    assert.ok(count > 2, `only ${count} ${kind}: schedules too easy to prove anything`);
  }
});
