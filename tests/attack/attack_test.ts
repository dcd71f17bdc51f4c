/** The attack of `deno task attack` with small numbers, and its judge against the project's code. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { decodeAck } from "../../lib/wire/ack.ts";
import { createKey } from "../../lib/wire/keys.ts";
import {
  parseRequest,
  requestHeaderFault,
  requestMacOf,
  verifyRequest,
} from "../../lib/wire/request.ts";
import { outcomeOf } from "../support/command.ts";
import { genuineAck } from "./ack_forgeries.ts";
import { flipped, twoBitFlip } from "./bits.ts";
import { forgeries } from "./forgeries.ts";
import { genuine, requestKinds } from "./genuine.ts";
import { ackFault, judgedKey, requestRefusal } from "./judge.ts";
import { parseOptions } from "./options.ts";
import type { PartOutcome } from "./outcome.ts";
import { createRandom } from "./random.ts";
import { tallyOf } from "./target.ts";

const secret = new Uint8Array(32).fill(7);
const key = createKey(secret);
const judged = judgedKey(secret);

Deno.test("deno task attack gets nothing through, with small numbers", async () => {
  const numbers = ["--forged", "2000", "--replays", "1000", "--acks", "8000", "--seed", "2"];
  const path = `${import.meta.dirname}/main.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", path, "--json"];
  const { code, stdout, stderr } = await outcomeOf([...deno, ...numbers], {
    signal: AbortSignal.timeout(300_000),
  });
  assert.ok(stdout.startsWith("{"), stderr);
  const { parts }: { parts: PartOutcome[] } = JSON.parse(stdout);
  assert.deepEqual(parts.flatMap(({ faults }) => faults), []);
  assert.equal(code, 0);
  assert.equal(parts.length, 5);
  const sent = parts.map(({ sent }) => sent);
  assert.ok(sent[0] >= 2_000 && sent[1] + sent[2] + sent[3] >= 1_000 && sent[4] >= 8_000);
});

Deno.test("requestRefusal() finds nothing wrong with a genuine request of each kind", () => {
  const random = createRandom(3);
  for (const kind of requestKinds) {
    assert.equal(requestRefusal(genuine(kind, key, random), judged), null);
  }
});

Deno.test("requestRefusal() and the service's own reading agree on random changes, signed", () => {
  const random = createRandom(4);
  fc.assert(fc.property(fc.nat(requestKinds.length - 1), fc.nat(), (i, seed) => {
    const bytes = genuine(requestKinds[i], key, random);
    const changed = flipped(bytes, seed % (8 * (bytes.length - 16)));
    changed.set(key.requestMac(changed.subarray(0, -16)), changed.length - 16);
    const header = requestHeaderFault(changed);
    const keyed = key.id.every((byte, at) => byte === changed[8 + at]);
    const own = header ?? (keyed ? parseRequest(changed) === null ? "content" : null : "key");
    assert.equal(requestRefusal(changed, judged), own);
    assert.ok(header !== null || verifyRequest(changed, key));
  }));
});

Deno.test("ackFault() and the sender's own reading agree on random changes, signed or not", () => {
  const random = createRandom(5);
  const request = genuine(requestKinds[2], key, random);
  const sent = { key, id: request.slice(20, 36), mac: requestMacOf(request), reportCount: 3 };
  const ack = genuineAck(request, key);
  assert.equal(ackFault(ack, request, judged), null);
  fc.assert(fc.property(fc.nat(8 * (ack.length - 16) - 1), fc.boolean(), (bit, signs) => {
    const changed = flipped(ack, bit);
    if (signs) changed.set(key.ackMac(changed.subarray(0, -16), sent.mac), changed.length - 16);
    const own = decodeAck(changed, sent);
    assert.equal(ackFault(changed, request, judged), typeof own === "string" ? own : null);
  }));
});

Deno.test("forgeries() makes as many as asked for, and the same changes for the same seed", () => {
  const make = (seed: number) => {
    const random = createRandom(seed);
    const acceptedId = () => new Uint8Array(16);
    return forgeries({ key, password: "secret", random, acceptedId }, 1_000);
  };
  const all = [...make(6)];
  assert.ok(all.length >= 1_000 && all.length < 2_000);
  const first = all.slice(0, 900);
  const again = [...make(6).take(900)];
  assert.deepEqual(first.map(({ kind }) => kind), again.map(({ kind }) => kind));
  assert.deepEqual(first.map(({ bytes }) => bytes.length), again.map(({ bytes }) => bytes.length));
});

Deno.test("twoBitFlip() changes exactly two bits", () => {
  const random = createRandom(7);
  for (let i = 0; i < 1_000; i++) {
    const changed = twoBitFlip(new Uint8Array(2), random);
    const ones = (changed[0] << 8 | changed[1]).toString(2).replaceAll("0", "").length;
    assert.equal(ones, 2);
  }
});

Deno.test("tallyOf() adds up the refusals of several summaries", () => {
  const line = (reasons: string) => JSON.stringify({ event: "refused", values: { reasons } });
  const { refused } = tallyOf([line("1 mac"), line("3 mac, 2 id reused")]);
  assert.deepEqual(refused, { mac: 4, "id reused": 2 });
});

Deno.test("parseOptions() reads numbers and refuses what is none", () => {
  assert.equal(parseOptions(["--forged", "5", "--seed=9"])?.forged, 5);
  assert.equal(parseOptions(["--help"]), null);
  assert.throws(() => parseOptions(["--acks", "many"]), /"many"/);
  assert.throws(() => parseOptions(["--ack", "1"]), /"--ack"/);
});
