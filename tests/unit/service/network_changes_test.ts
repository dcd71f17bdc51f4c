import assert from "node:assert/strict";
import { watchNetwork } from "../../../lib/service/network_changes.ts";
import { createTestTime } from "../../support/test_time.ts";
import { keepReport } from "../receiver/harness.ts";

/** A system that refuses to tell of changes so many times; `change` is what it tells then. */
function start(refusals: number) {
  const time = createTestTime();
  const { report, said } = keepReport();
  const tries: number[] = [];
  const flushed: number[] = [];
  let pending: number[] = [];
  let told = () => {};
  const begun = time.monotonic();
  const stop = watchNetwork(
    {
      register() {
        tries.push(time.monotonic() - begun);
        return tries.length <= refusals ? "NotifyIpInterfaceChange: error 8" : null;
      },
      onChange: (given) => void (told = given),
      changed: () => pending.splice(0),
    },
    (index) => flushed.push(index),
    report,
    time,
  );
  const change = (...indexes: number[]) => void (pending = indexes);
  return { time, said, tries, flushed, change, told: () => told(), stop };
}

Deno.test("watchNetwork() hears of each change, and of none when it has ended", () => {
  const { time, said, flushed, change, told, stop } = start(0);
  change(7, 8);
  told();
  assert.deepEqual(flushed, [7, 8]);
  stop();
  change(9);
  told();
  assert.deepEqual([flushed, said, time.timers], [[7, 8], [], 0]);
});

Deno.test("watchNetwork() registers until it works, looks meanwhile, and says both once", () => {
  const { time, said, tries, flushed, change, told } = start(9);
  change(7);
  time.pass(1_000);
  assert.deepEqual(flushed, [7], "seen without the system's word");
  time.pass(300_000);
  assert.deepEqual(tries, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243].map((s) => s * 1_000));
  assert.deepEqual(said.map(({ event }) => event), ["networkUnwatched", "networkWatched"]);
  assert.deepEqual(said[0].values, { error: "NotifyIpInterfaceChange: error 8" });
  change(8);
  told();
  assert.deepEqual([flushed, time.timers], [[7, 8], 0]);
});

Deno.test("watchNetwork() registers no more when it has ended", () => {
  const { time, tries, stop } = start(Infinity);
  stop();
  time.pass(60_000);
  assert.deepEqual([tries, time.timers], [[0], 0]);
});
