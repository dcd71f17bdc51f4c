import fc from "fast-check";
import assert from "node:assert/strict";
import { createChallenges } from "../../../lib/receiver/challenges.ts";
import { routerKey, vectors } from "../wire/vectors.ts";

const challenges = createChallenges(Uint8Array.fromHex(vectors.challengeSecret));
const otherKeyId = Uint8Array.of(1, 2, 3, 4);

Deno.test("createChallenges() makes the golden challenges, one for 30 seconds", () => {
  for (const { slot, challenge } of vectors.challenges) {
    for (const now of [30_000 * slot, 30_000 * slot + 29_999.9]) {
      assert.equal(challenges.present(routerKey.id, now).toHex(), challenge);
    }
  }
});

Deno.test("isRight() takes the present challenge and the last one, of the same key and start", () => {
  fc.assert(fc.property(fc.nat(1e9), fc.nat(100_000), (then, age) => {
    const challenge = challenges.present(routerKey.id, then);
    const slots = Math.floor((then + age) / 30_000) - Math.floor(then / 30_000);
    assert.equal(challenges.isRight(challenge, routerKey.id, then + age), slots <= 1);
    assert.ok(challenge.some(Boolean));
    assert.equal(challenges.isRight(challenge, otherKeyId, then), false);
    assert.equal(
      createChallenges(new Uint8Array(32)).isRight(challenge, routerKey.id, then),
      false,
    );
    assert.equal(challenges.isRight(new Uint8Array(8), routerKey.id, then), false);
  }));
});
