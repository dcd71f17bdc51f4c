import assert from "node:assert/strict";
import { defaultSettings } from "../../../lib/config/settings.ts";
import type { Neighbor } from "../../../lib/neighbors/neighbor_cache.ts";
import { InterfaceFlushes } from "../../../lib/service/interface_flushes.ts";
import { formatPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { createTestTime, settle } from "../../support/test_time.ts";

function entry(address: string, interfaceName: string, permanent = false): Neighbor {
  const linkLayerAddress = new Uint8Array(6).fill(2);
  return { address: parsePrefix(address), interfaceName, linkLayerAddress, permanent };
}

/** Flushes of a table, and what they did: addresses, or "all", and for whom. */
function create(table: () => Promise<Neighbor[]>) {
  const time = createTestTime();
  const done: string[] = [];
  const flushes = new InterfaceFlushes(
    { list: table },
    {
      deleteEntries: (
        addresses,
        who,
      ) => (done.push(`${addresses.map(formatPrefix)}: ${who}`), Promise.resolve()),
      flushAll: (who) => (done.push(`all: ${who}`), Promise.resolve()),
    },
    time,
  );
  flushes.configure({ ...defaultSettings(), HoldDownSeconds: 10 });
  return { time, done, flushes };
}

Deno.test("InterfaceFlushes flush the interface alone, and no permanent entry", async () => {
  const { done, flushes } = create(() =>
    Promise.resolve([
      entry("192.0.2.1", "12"),
      entry("192.0.2.9", "12", true),
      entry("2001:db8::1", "12"),
      entry("198.51.100.1", "13"),
    ])
  );
  flushes.changed(12);
  flushes.changed(14);
  await settle();
  assert.deepEqual(done, ["192.0.2.1,2001:db8::1: a change of interface 12"]);
});

Deno.test("InterfaceFlushes flush at the first change and then once a hold-down, however many follow", async () => {
  const { time, done, flushes } = create(() =>
    Promise.resolve([entry("192.0.2.1", "12"), entry("198.51.100.1", "13")])
  );
  for (let second = 0; second < 25; second++) {
    for (let i = 0; i < 100; i++) flushes.changed(12);
    await settle();
    time.pass(1_000);
  }
  await settle();
  assert.equal(done.length, 3, "at 0, 10 and 20 s");
  flushes.changed(13);
  await settle();
  assert.equal(done.length, 4, "another interface doesn't wait");
  time.pass(5_000);
  await settle();
  assert.equal(done.length, 5, "the last change is followed by a flush");
  time.pass(20_000);
  await settle();
  assert.equal(done.length, 5);
  assert.equal(time.timers, 0);
});

Deno.test("InterfaceFlushes flush everything where a table is large or can't be read", async () => {
  const large = Array.from({ length: 257 }, (_, i) => entry(`10.0.${i >> 8}.${i & 255}`, "12"));
  for (const table of [() => Promise.resolve(large), () => Promise.reject(new Error("8"))]) {
    const { done, flushes } = create(table);
    flushes.changed(12);
    await settle();
    assert.deepEqual(done, ["all: a change of interface 12"]);
  }
});

Deno.test("InterfaceFlushes flush nothing without FlushOnNetworkChange or once stopped", async () => {
  const { time, done, flushes } = create(() => Promise.resolve([entry("192.0.2.1", "12")]));
  flushes.configure({ ...defaultSettings(), FlushOnNetworkChange: false });
  flushes.changed(12);
  await settle();
  assert.deepEqual(done, []);
  flushes.configure(defaultSettings());
  flushes.changed(12);
  flushes.stop();
  await settle();
  assert.deepEqual(done, []);
  assert.equal(time.timers, 0);
});
