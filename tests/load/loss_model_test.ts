/** Loss on a virtual clock: the copies reach what theory says, within three sigma. */
import assert from "node:assert/strict";
import { copiesReach, defaultSchedule } from "./copies_reach.ts";
import {
  burstLoss,
  burstReach,
  deviations,
  independentLoss,
  independentReach,
  seededRandom,
} from "./loss_model.ts";

const hosts = 20_000;
const { count, intervalMs } = defaultSchedule;

function assertNear(reached: number, theory: number): void {
  const sigma = deviations(reached, hosts, theory);
  assert.ok(Math.abs(sigma) <= 3, `${reached} of ${hosts} reached, ${sigma.toFixed(1)} sigma`);
}

for (const [loss, percent] of [[0.1, "99.999"], [0.33, "99.6"], [0.5, "96.9"]] as const) {
  Deno.test(`sendCopies() reaches ${percent}% of hosts at a loss of ${loss * 100}%`, async () => {
    const theory = independentReach(loss, count);
    assert.equal((theory * 100).toFixed(percent.split(".")[1].length), percent);
    const random = seededRandom(1);
    assertNear(await copiesReach(hosts, () => independentLoss(loss, random)), theory);
  });
}

for (const meanMs of [100, 1_000, 5_000]) {
  Deno.test(`sendCopies() reaches what bursts of ${meanMs} ms let through`, async () => {
    const bursts = { probability: 0.33, meanMs };
    const random = seededRandom(2);
    const reached = await copiesReach(hosts, () => burstLoss(bursts, random));
    assertNear(reached, burstReach(bursts, count, intervalMs));
  });
}

Deno.test("deviations() finds a sender that sends one copy less", async () => {
  const random = seededRandom(3);
  // The fifth copy to each host never arrives.
  const path = () => {
    let copies = 0;
    return () => ++copies === count || random() < 0.33;
  };
  const sigma = deviations(await copiesReach(hosts, path), hosts, independentReach(0.33, count));
  assert.ok(sigma < -3, `${sigma.toFixed(1)} sigma`);
});
