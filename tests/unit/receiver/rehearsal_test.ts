import assert from "node:assert/strict";
import { allowNetworks } from "../../../lib/receiver/accept.ts";
import { type ReceiverRules, rehearse } from "../../../lib/receiver/receiver.ts";
import { createKey, createKeyring, type Key } from "../../../lib/wire/keys.ts";

function rulesWith(key: Key | null): ReceiverRules {
  return {
    address: "192.0.2.9",
    port: 27735,
    holdDownMs: 10_000,
    toleranceMs: 60_000,
    keyring: key === null ? null : createKeyring([key]),
    isLegacy: null,
    isAllowed: allowNetworks([]),
  };
}

/** A key that tells which of its MACs were asked for. */
function watchedKey() {
  const key = createKey(new Uint8Array(32).fill(7));
  const used: string[] = [];
  const watched: Key = {
    ...key,
    get requestMac() {
      used.push("request");
      return key.requestMac;
    },
    get ackMac() {
      used.push("ack");
      return key.ackMac;
    },
  };
  return { watched, used };
}

Deno.test("rehearse() goes the whole way, from a request's MAC to an ack's", async () => {
  const { watched, used } = watchedKey();
  await rehearse(rulesWith(watched));
  assert.deepEqual([...new Set(used)], ["request", "ack"]);
});

Deno.test("rehearse() does nothing without a key", () => rehearse(rulesWith(null)));
