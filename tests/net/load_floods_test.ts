/** Floods, crowds and soaks with small numbers; `deno task load` has the full ones. */
import assert from "node:assert/strict";
import { floodReceivers } from "../load/flood_losses.ts";
import { floodService } from "../load/floods.ts";
import { seededRandom } from "../load/loss_model.ts";
import { answerBroadcast } from "../load/many_hosts.ts";
import { refreshAfterLoss } from "../load/refresh_delay.ts";
import { soak } from "../load/soak.ts";
import { compilePeers } from "../measure/peers.ts";

const peers = await compilePeers();
Deno.test.afterAll(async () => await peers[Symbol.asyncDispose]());
/** What stands in for floods and crowds is written in C. */
const ignore = peers.program("flood") === null;

/** What a small virtual machine may give to the service alone. */
const memoryMost = 128 * 2 ** 20;

for (const kind of ["wrong MAC", "junk"] as const) {
  Deno.test(`service.ts does what it is asked beside a flood of ${kind}, in little memory`, {
    ignore,
  }, async () => {
    const plan = { kind, ratePerSecond: 5_000, tries: 20, guarded: false };
    const result = await floodService(peers, plan);
    assert.equal(result.five, 5);
    assert.ok(result.single >= 15, `${result.single} of 20 single copies came through`);
    assert.ok(result.after.rssMost < memoryMost, `${result.after.rssMost} bytes`);
    assert.equal(result.after.descriptors, result.before.descriptors);
  });
}

Deno.test("floodService() says what part of a flood the service's socket drops", {
  ignore,
}, async () => {
  const asFastAsCanBe = { kind: "wrong MAC", ratePerSecond: 0, tries: 4, guarded: false } as const;
  const { dropped } = await floodService(peers, asFastAsCanBe);
  assert.ok(dropped > 0 && dropped < 1, `${dropped} dropped`);
});

Deno.test(
  "floodReceivers() says what a C loop and a bare loop lose of a flood beside our receiver",
  {
    ignore,
  },
  async () => {
    const losses = await floodReceivers(peers, { kind: "junk", ratePerSecond: 0 }, 1, 0.5);
    assert.deepEqual(losses.map(({ rates }) => rates.length), [1, 1, 1]);
    const parts = losses.flatMap(({ lost, stolen }) => [...lost, ...stolen]);
    assert.equal(parts.length, 6);
    assert.ok(parts.every((part) => part >= 0 && part < 1), JSON.stringify(losses));
    // Nobody keeps up with a sender that doesn't pause.
    assert.ok(losses[2].lost[0] > 0);
  },
);

Deno.test("packaging/arpflush.nft lets every genuine request through and keeps junk away", {
  ignore,
}, async () => {
  const plan = { kind: "junk", ratePerSecond: 20_000, tries: 20, guarded: true } as const;
  const result = await floodService(peers, plan);
  assert.deepEqual([result.single, result.five, result.dropped], [20, 5, 0]);
});

Deno.test("send.ts hears 300 hosts that answer one broadcast", { ignore }, async () => {
  const [{ withinSecond }] = await answerBroadcast(peers, 300, "auto", 1);
  assert.ok(withinSecond >= 297, `${withinSecond} of 300`);
});

Deno.test("createRefresher() heals a host that got no copy within its period", async () => {
  const { meanSeconds, mostSeconds } = await refreshAfterLoss(1_000, seededRandom(1));
  assert.ok(mostSeconds <= 30, `${mostSeconds} s`);
  assert.ok(meanSeconds > 13 && meanSeconds < 17, `${meanSeconds} s`);
});

Deno.test("service.ts misses nothing in a soak of a few seconds", async () => {
  const plan = { seconds: 6, requestsPerSecond: 200, progress: () => {} };
  const { asked, missed, settled, end } = await soak(plan);
  assert.ok(asked > 200, `${asked} asked`);
  assert.equal(missed, 0);
  assert.ok(end.descriptors <= settled.descriptors + 12, `${end.descriptors} descriptors`);
});
