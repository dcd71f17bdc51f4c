/** What a reload does to a running receiver, and what its end does. */
import assert from "node:assert/strict";
import type { OpenSocket } from "../../../lib/receiver/datagram_loop.ts";
import type { ReceiverRules } from "../../../lib/receiver/receiver.ts";
import { notingCache, r1, settle, startHarness } from "./harness.ts";
import { keyring, signed } from "./helpers.ts";

const fresh = { created: 1_700_000_000_000 } as const;
const rules: ReceiverRules = {
  address: "0.0.0.0",
  port: 27_735,
  holdDownMs: 10_000,
  isAllowed: () => true,
  keyring,
  isLegacy: null,
  toleranceMs: 60_000,
};

/** A receiver whose sockets do nothing but note where they were opened. */
function startNoting() {
  const opened: string[] = [];
  const open: OpenSocket = (address, port) => {
    opened.push(`${address} ${port}`);
    return {
      addr: { transport: "udp", hostname: address, port },
      receive: () => new Promise(() => {}),
      send: (bytes) => Promise.resolve(bytes.length),
      close() {},
    };
  };
  return { opened, ...startHarness({ open }, rules) };
}

Deno.test("Receiver.configure() opens a socket only for another address or port", async () => {
  const { opened, receiver } = startNoting();
  await receiver.configure({ ...rules, holdDownMs: 5_000 });
  assert.deepEqual(opened, ["0.0.0.0 27735"]);
  await receiver.configure({ ...rules, port: 27_736 });
  await receiver.configure({ ...rules, port: 27_736, address: "192.0.2.9" });
  assert.deepEqual(opened, ["0.0.0.0 27735", "0.0.0.0 27736", "192.0.2.9 27736"]);
  assert.deepEqual([receiver.address, receiver.port], ["192.0.2.9", 27_736]);
  await receiver.stop();
});

Deno.test("Receiver.configure() applies each rule from the next datagram on", async () => {
  const { deliver, receiver } = startHarness({}, rules);
  await receiver.configure({ ...rules, isAllowed: () => false });
  await deliver(signed(fresh));
  await receiver.configure({ ...rules, keyring: null });
  await deliver(signed(fresh));
  await receiver.configure({ ...rules, toleranceMs: 1_000 });
  await deliver(signed({ created: fresh.created - 2_000 }));
  await receiver.configure(rules);
  await deliver(signed(fresh));
  const { counted, refused } = receiver.counters;
  assert.deepEqual(
    [refused.source, refused.key, counted.stale, counted.accepted],
    [1, 1, 1, 1],
  );
});

Deno.test("Receiver.configure() applies the hold-down to what is pending", async () => {
  const { deliver, pass, flushes, receiver } = startHarness({}, rules);
  for (let i = 0; i < 4; i++) await deliver(signed(fresh));
  assert.equal(flushes.length, 3);
  await receiver.configure({ ...rules, holdDownMs: 1_000 });
  await pass(1_000);
  assert.equal(flushes.length, 4);
});

Deno.test("Receiver.configure() leaves no timer when nothing is pending", async () => {
  const { time, receiver } = startHarness({}, rules);
  await receiver.configure({ ...rules, holdDownMs: 1_000 });
  assert.equal(time.timers, 0);
});

Deno.test("Receiver.stop() looks at no datagram while it waits for a flush", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let flushes = 0;
  const { cache } = notingCache({
    async flush() {
      flushes++;
      await promise;
      return { removed: 0, micros: 0, notes: [] };
    },
  });
  const { deliver, receiver } = startHarness({ cache }, rules);
  await deliver(signed(fresh));
  const stopped = receiver.stop();
  await deliver(signed(fresh));
  assert.equal(flushes, 1);
  assert.equal(receiver.counters.counted.accepted, 1);
  resolve();
  await stopped;
});

Deno.test("startReceiver() ignores a datagram whose source is no address", async () => {
  const { deliver, receiver } = startHarness({}, rules);
  await deliver(signed(fresh), { ...r1, hostname: "nowhere" });
  await deliver(signed(fresh));
  assert.deepEqual([receiver.counters.counted.accepted, receiver.counters.refused.source], [1, 0]);
  assert.equal(receiver.counters.counted.receiveErrors, 0);
});

Deno.test("startReceiver() lives on after a fault of its own, and says so once", async () => {
  let broken = true;
  const isAllowed = () => {
    if (broken) throw new TypeError("isAllowed is broken");
    return true;
  };
  const { deliver, receiver, saidOf } = startHarness({}, { ...rules, isAllowed });
  for (let i = 0; i < 100; i++) await deliver(signed(fresh));
  broken = false;
  await deliver(signed(fresh));
  await settle();
  assert.equal(receiver.counters.counted.accepted, 1);
  assert.equal(receiver.counters.counted.receiveErrors, 100);
  assert.deepEqual(saidOf("receiveFailed").map(({ values }) => values.error), [
    "isAllowed is broken",
  ]);
});

Deno.test("startReceiver() answers after 1,000 errors of receive, and says so once", async () => {
  // As on Windows: each ack to a closed port makes the next receive fail with 10054.
  const requests = Array.from({ length: 1_001 }, () => signed({ ...fresh, action: "probe" }));
  const acks: Uint8Array[] = [];
  let received = 0;
  let isReset = true;
  const open: OpenSocket = () => ({
    addr: { transport: "udp", hostname: "0.0.0.0", port: 27_735 },
    receive() {
      isReset = !isReset;
      if (isReset) return Promise.reject(new Deno.errors.ConnectionReset("10054"));
      if (received === requests.length) return new Promise(() => {});
      return Promise.resolve([requests[received++], r1]);
    },
    send(bytes) {
      acks.push(bytes);
      return Promise.resolve(bytes.length);
    },
    close() {},
  });
  const { receiver, saidOf } = startHarness({ open }, rules);
  for (let i = 0; i < 1_000 && acks.length < requests.length; i++) await settle();
  assert.equal(acks.length, 1_001);
  assert.ok(receiver.counters.counted.receiveErrors >= 1_000);
  assert.equal(saidOf("receiveFailed").length, 1);
});

Deno.test("startReceiver() calls nothing broken but what came with a key", async () => {
  const { deliver, receiver, saidOf } = startHarness({}, rules);
  await deliver(new Uint8Array(5));
  assert.equal(receiver.counters.refused.length, 1);
  assert.equal(receiver.counters.counted.receiveErrors, 0);
  assert.deepEqual(saidOf("brokenRequest"), []);
});
