import assert from "node:assert/strict";
import { defaultSettings, type Settings } from "../../../lib/config/settings.ts";
import type { Neighbor } from "../../../lib/neighbors/neighbor_cache.ts";
import { NetworkWatch } from "../../../lib/service/network_changes.ts";
import { formatPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { createTestTime, settle } from "../../support/test_time.ts";
import { keepReport } from "../receiver/harness.ts";

function entry(address: string, interfaceName: string, permanent = false): Neighbor {
  const linkLayerAddress = new Uint8Array(6).fill(2);
  return { address: parsePrefix(address), interfaceName, linkLayerAddress, permanent };
}

/** What a system has: its table, how often it refuses to tell of changes, and the settings. */
interface Given {
  readonly table?: () => Promise<Neighbor[]>;
  readonly refusals?: number;
  readonly settings?: Partial<Settings>;
}

/** One entry each on the interfaces 12 and 13. */
const two = () => Promise.resolve([entry("192.0.2.1", "12"), entry("198.51.100.1", "13")]);

/** A watch; `done` is what it had done for changes of interfaces, `renewals` when it opened sockets. */
function start({ table = two, refusals = 0, settings = {} }: Given = {}) {
  const time = createTestTime();
  const begun = time.monotonic();
  const { report, said } = keepReport();
  const [tries, renewals]: number[][] = [[], []];
  const done: string[] = [];
  let pending: number[] = [];
  let told = () => {};
  const watch = new NetworkWatch({
    changes: {
      register(given) {
        told = given;
        tries.push(time.monotonic() - begun);
        return tries.length <= refusals ? "NotifyIpInterfaceChange: error 8" : null;
      },
      changed: () => pending.splice(0),
    },
    cache: { list: table },
    receiver: {
      deleteEntries(addresses, who) {
        done.push(`${addresses.map(formatPrefix)} for ${who}`);
        return Promise.resolve();
      },
      flushAll: (who) => Promise.resolve(void done.push(`all for ${who}`)),
      renewSockets: () => void renewals.push(time.monotonic() - begun),
    },
    report,
    time,
  }, { ...defaultSettings(), ...settings });
  return {
    ...{ time, said, tries, renewals, done, watch },
    /** Interfaces change; the system tells of it if it can. */
    async change(...indexes: number[]) {
      pending = indexes;
      if (tries.length > refusals) told();
      await settle();
    },
    async pass(ms: number) {
      time.pass(ms);
      await settle();
    },
  };
}

Deno.test("NetworkWatch flushes the interface that changed alone, and no permanent entry", async () => {
  const { done, change } = start({
    table: async () => [
      entry("192.0.2.9", "12", true),
      entry("2001:db8::1", "12"),
      ...await two(),
    ],
  });
  await change(12, 14);
  assert.deepEqual(done, ["2001:db8::1,192.0.2.1 for a change of interface 12"]);
});

Deno.test("NetworkWatch flushes at the first change and then once a hold-down, however many follow", async () => {
  const { time, done, change, pass } = start({ settings: { HoldDownSeconds: 10 } });
  for (let second = 0; second < 25; second++) {
    for (let i = 0; i < 10; i++) await change(12);
    await pass(1_000);
  }
  assert.equal(done.length, 3, "at 0, 10 and 20 s");
  await change(13);
  assert.equal(done.length, 4, "another interface doesn't wait");
  await pass(5_000);
  assert.equal(done.length, 5, "the last change is followed by a flush");
  await pass(20_000);
  assert.deepEqual([done.length, time.timers], [5, 0]);
});

Deno.test("NetworkWatch flushes everything where a table is large or can't be read", async () => {
  const large = Array.from({ length: 257 }, (_, i) => entry(`10.0.${i >> 8}.${i & 255}`, "12"));
  for (const table of [() => Promise.resolve(large), () => Promise.reject(new Error("8"))]) {
    const { done, change } = start({ table });
    await change(12);
    assert.deepEqual(done, ["all for a change of interface 12"]);
  }
});

Deno.test("NetworkWatch flushes nothing without FlushOnNetworkChange, and nothing once stopped", async () => {
  const { time, done, renewals, watch, change, pass } = start({
    settings: { FlushOnNetworkChange: false },
  });
  await change(12);
  await pass(500);
  assert.deepEqual([done, renewals], [[], [500]]);
  watch.configure(defaultSettings());
  const changing = change(12, 13);
  watch.stop();
  await changing;
  await change(12);
  await pass(60_000);
  assert.deepEqual([done, renewals, time.timers], [[], [500], 0]);
});

Deno.test("NetworkWatch opens sockets anew half a second after a change, once for a storm", async () => {
  const { renewals, change, pass } = start();
  for (let i = 0; i < 10; i++) {
    await change(12);
    await pass(40);
  }
  await pass(600);
  await change();
  await pass(600);
  await change(12);
  await pass(500);
  assert.deepEqual(renewals, [500, 2_100]);
});

Deno.test("NetworkWatch registers until it works, looks meanwhile, and says both once", async () => {
  const { time, said, tries, done, change, pass } = start({ refusals: 9 });
  await change(12);
  await pass(1_000);
  assert.equal(done.length, 1, "seen without the system's word");
  await pass(300_000);
  assert.deepEqual(tries, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243].map((s) => s * 1_000));
  assert.deepEqual(said, [
    { event: "networkUnwatched", values: { error: "NotifyIpInterfaceChange: error 8" } },
    { event: "networkWatched", values: {} },
  ]);
  await change(12);
  assert.equal(done.length, 2);
  await pass(10_000);
  assert.equal(time.timers, 0);
});

Deno.test("NetworkWatch neither registers nor hears of changes when it has ended", async () => {
  for (const refusals of [0, Infinity]) {
    const { time, tries, done, renewals, watch, change, pass } = start({ refusals });
    watch.stop();
    await change(12);
    assert.equal(time.timers, 0);
    await pass(60_000);
    assert.deepEqual([tries, done, renewals], [[0], [], []]);
  }
});
