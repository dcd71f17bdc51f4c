/** The attack of `deno task attack` with small numbers, and its judge against the project's code. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { decodeAck } from "../../lib/wire/ack.ts";
import { isSignedBy } from "../../lib/wire/ed25519_node.ts";
import { formatKey, parseRouterKeys, publicKeyFault } from "../../lib/wire/keys.ts";
import { parseRequest, requestHeaderFault } from "../../lib/wire/request.ts";
import { outcomeOf } from "../support/command.ts";
import { hostSigner, seal, sentRequest, signAck } from "../support/datagrams.ts";
import {
  flipped,
  genuine,
  requestKinds,
  router,
  smallOrderPoints,
  withAckMac,
  withAckSignature,
} from "./datagrams.ts";
import { ackFault, judgedKey, requestRefusal } from "./judge.ts";

const judged = judgedKey(router.key.publicKey);
const host = { keys: [judged], isChallenge: () => false, isKnownId: () => false };

Deno.test("deno task attack gets nothing through, with small numbers", async () => {
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests"];
  const numbers = ["--part", "0.04", "--seed", "2"];
  const { code, stdout, stderr } = await outcomeOf(
    [...deno, `${import.meta.dirname}/main.ts`, ...numbers],
    { signal: AbortSignal.timeout(300_000) },
  );
  assert.equal(code, 0, stdout + stderr);
  const sent = Array.from(stdout.matchAll(/(\d+) {2}sent/g), ([, digits]) => Number(digits));
  const least = [40_000, 2_600, 800, 600, 8_000];
  assert.deepEqual(least.filter((wanted, i) => !(sent[i] >= wanted)), [], stdout);
});

Deno.test("no key of small order can be listed, nor one in a second spelling", () => {
  for (const point of smallOrderPoints) {
    assert.notEqual(publicKeyFault(point), null, point.toHex());
    assert.throws(() => parseRouterKeys([formatKey("public", point)]), point.toHex());
  }
});

Deno.test("requestRefusal() and the service's own reading agree on random changes, signed", () => {
  for (const kind of requestKinds) assert.equal(requestRefusal(genuine(kind), host), null);
  fc.assert(fc.property(fc.nat(requestKinds.length - 1), fc.nat(), (i, seed) => {
    const bytes = genuine(requestKinds[i]);
    const changed = flipped(bytes, seed % (8 * (bytes.length - 80)));
    seal(changed, router);
    const isKeyed = router.key.id.every((byte, at) => byte === changed[8 + at]);
    const hasChallenge = changed.subarray(40, 48).some(Boolean);
    const content = parseRequest(changed) === null ? "content" : null;
    const own = requestHeaderFault(changed) ??
      (isKeyed ? hasChallenge ? "challenge" : content : "key");
    assert.equal(requestRefusal(changed, host), own);
  }));
});

Deno.test("ackFault() and the sender's own reading agree on random changes, signed or not", () => {
  const request = genuine(requestKinds[2]);
  const sent = sentRequest(request, router);
  const ack = signAck(request, router, { status: "alive" });
  assert.equal(ackFault(ack, request, judged), null);
  const finishes = [
    (bytes: Uint8Array) => bytes,
    (bytes: Uint8Array) => withAckMac(bytes, request),
    (bytes: Uint8Array) => withAckSignature(bytes, request, hostSigner),
  ];
  const readOwn = (bytes: Uint8Array) => {
    const own = decodeAck(bytes, sent);
    if (typeof own === "string") return own;
    return isSignedBy({ publicKey: own.hostKey }, own.message, own.signature) ? null : "signature";
  };
  fc.assert(fc.property(fc.nat(8 * ack.length - 1), fc.nat(2), (bit, finish) => {
    const changed = finishes[finish](flipped(ack, bit));
    assert.equal(ackFault(changed, request, judged), readOwn(changed));
  }));
});
