/** The attack of `deno task attack` with small numbers, and its judge against the project's code. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { decodeAck } from "../../lib/wire/ack.ts";
import { createKey } from "../../lib/wire/keys.ts";
import { parseRequest, requestHeaderFault, verifyRequest } from "../../lib/wire/request.ts";
import { outcomeOf } from "../support/command.ts";
import { sentRequest, signAck } from "../support/datagrams.ts";
import { flipped, genuine, requestKinds } from "./datagrams.ts";
import { ackFault, judgedKey, requestRefusal } from "./judge.ts";

const secret = new Uint8Array(32).fill(7);
const key = createKey(secret);
const judged = judgedKey(secret);

Deno.test("deno task attack gets nothing through, with small numbers", async () => {
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests"];
  const numbers = ["--forged", "2000", "--replays", "1000", "--acks", "8000", "--seed", "2"];
  const { code, stdout, stderr } = await outcomeOf(
    [...deno, `${import.meta.dirname}/main.ts`, ...numbers],
    { signal: AbortSignal.timeout(300_000) },
  );
  assert.equal(code, 0, stdout + stderr);
  const sent = Array.from(stdout.matchAll(/(\d+) {2}sent/g), ([, digits]) => Number(digits));
  assert.equal(sent.length, 5);
  assert.ok(sent[0] >= 2_000 && sent[1] + sent[2] + sent[3] >= 1_000 && sent[4] >= 8_000, stdout);
});

Deno.test("requestRefusal() and the service's own reading agree on random changes, signed", () => {
  for (const kind of requestKinds) assert.equal(requestRefusal(genuine(kind, key), judged), null);
  fc.assert(fc.property(fc.nat(requestKinds.length - 1), fc.nat(), (i, seed) => {
    const bytes = genuine(requestKinds[i], key);
    const changed = flipped(bytes, seed % (8 * (bytes.length - 16)));
    changed.set(key.requestMac(changed.subarray(0, -16)), changed.length - 16);
    const header = requestHeaderFault(changed);
    const isKeyed = key.id.every((byte, at) => byte === changed[8 + at]);
    const own = header ?? (isKeyed ? parseRequest(changed) === null ? "content" : null : "key");
    assert.equal(requestRefusal(changed, judged), own);
    assert.ok(header !== null || verifyRequest(changed, key));
  }));
});

Deno.test("ackFault() and the sender's own reading agree on random changes, signed or not", () => {
  const request = genuine(requestKinds[2], key);
  const sent = sentRequest(request, key);
  const ack = signAck(request, key);
  assert.equal(ackFault(ack, request, judged), null);
  fc.assert(fc.property(fc.nat(8 * (ack.length - 16) - 1), fc.boolean(), (bit, isSigned) => {
    const changed = flipped(ack, bit);
    if (isSigned) changed.set(key.ackMac(changed.subarray(0, -16), sent.mac), changed.length - 16);
    const own = decodeAck(changed, sent);
    assert.equal(ackFault(changed, request, judged), typeof own === "string" ? own : null);
  }));
});
