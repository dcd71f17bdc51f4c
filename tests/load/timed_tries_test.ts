import assert from "node:assert/strict";
import { type AckStatus, encodeAck } from "../../lib/wire/ack.ts";
import { createKey } from "../../lib/wire/keys.ts";
import { encodeRequest, parseRequest, requestMacOf } from "../../lib/wire/request.ts";
import { countFlushed, endOfTries, timedDatagrams, timeTries } from "./timed_tries.ts";

const key = createKey(new Uint8Array(32).fill(7));
const plan = { tries: 3, fromMs: 500, periodMs: 40, copies: 2, copyIntervalMs: 100 };
const startsAt = 1_700_000_000_000;
const requests = () => timeTries(plan, startsAt, sign, () => 0.5);

function sign(created: number): Uint8Array {
  return encodeRequest({
    action: "flush all",
    acknowledge: true,
    report: false,
    created,
    id: crypto.getRandomValues(new Uint8Array(16)),
    ackSpreadMs: 0,
    sender: "load",
    addresses: [],
  }, key);
}

function ack(request: Uint8Array, status: AckStatus, mac = requestMacOf(request)): Uint8Array {
  const { id } = parseRequest(request)!;
  const nothing = { error: 0, entries: 0, micros: 0, host: "host0", reports: [] };
  return encodeAck({ status, clock: startsAt, id, ...nothing }, key, mac);
}

Deno.test("timeTries() draws a moment of each try's period and signs the request for it", () => {
  const draws = [0, 0.5, 0.999];
  const tries = timeTries(plan, startsAt, sign, () => draws.shift() ?? NaN);
  assert.deepEqual(tries.map(({ timesMs }) => timesMs), [[500, 600], [560, 660], [619, 719]]);
  const meant = tries.map(({ request }) => parseRequest(request)!);
  assert.deepEqual(meant.map(({ created }) => created - startsAt), [500, 560, 619]);
  assert.equal(new Set(meant.map(({ id }) => id.toHex())).size, 3);
  assert.equal(endOfTries(plan), 620);
});

Deno.test("timedDatagrams() puts every copy behind its time, in the order of the times", () => {
  const tries = requests();
  const datagrams = timedDatagrams(tries);
  const times = datagrams.map((bytes) => new DataView(bytes.buffer).getUint32(0));
  assert.deepEqual(times, [520, 560, 600, 620, 660, 700]);
  const order = [0, 1, 2, 0, 1, 2].map((i) => tries[i].request);
  assert.deepEqual(datagrams.map((bytes) => bytes.slice(4)), order);
});

Deno.test("countFlushed() counts each try once that a genuine ack calls flushed", () => {
  const tries = requests();
  const [first, second, third] = tries.map(({ request }) => request);
  const flushed = [first, second].map((request) => ack(request, "flushed"));
  assert.equal(countFlushed(tries, [], key), 0);
  assert.equal(countFlushed(tries, [...flushed, ...flushed], key), 2);
  assert.equal(countFlushed(tries, [ack(third, "stale"), ...flushed], key), 2);
  assert.equal(countFlushed(tries, [ack(third, "stale"), ack(third, "flushed")], key), 1);
  assert.equal(countFlushed(tries, [ack(third, "flushed", requestMacOf(first))], key), 0);
  assert.equal(countFlushed(tries, [ack(sign(startsAt), "flushed"), new Uint8Array(3)], key), 0);
});
