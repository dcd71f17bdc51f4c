import fc from "fast-check";
import assert from "node:assert/strict";
import { ackLength, decodeAck, encodeAck, type SentRequest } from "../../../lib/wire/ack.ts";
import { createKey } from "../../../lib/wire/keys.ts";
import { encodeRequest, requestLength, requestMacOf } from "../../../lib/wire/request.ts";
import { flushAck, flushRequest } from "./arbitraries.ts";
import { ackVectors, key } from "./vectors.ts";

type Vector = typeof ackVectors[number];

function sent({ to }: Vector): SentRequest {
  const reportCount = to.request.report ? to.request.addresses.length : 0;
  return { key, id: to.request.id, mac: requestMacOf(to.bytes), reportCount };
}

const vector = (name: string) => {
  const found = ackVectors.find((each) => each.name === name);
  assert.ok(found, name);
  return found;
};

/** An ack with some bytes changed and signed again, as a broken host that holds the key. */
function resigned(vector: Vector, change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = vector.bytes.slice();
  change(bytes);
  bytes.set(key.ackMac(bytes.subarray(0, -16), requestMacOf(vector.to.bytes)), bytes.length - 16);
  return bytes;
}

for (const each of ackVectors) {
  Deno.test(`encodeAck() makes the golden bytes of "${each.name}"`, () => {
    assert.deepEqual(encodeAck(each.ack, key, requestMacOf(each.to.bytes)), each.bytes);
  });

  Deno.test(`decodeAck() reads the golden bytes of "${each.name}"`, () => {
    assert.deepEqual(decodeAck(each.bytes, sent(each)), each.ack);
  });
}

Deno.test("encodeAck() and decodeAck() are a round trip, never longer than the request", () => {
  const pair = flushRequest.chain((request) => {
    const reportCount = request.report ? request.addresses.length : 0;
    return fc.tuple(fc.constant(request), flushAck(request.id, reportCount));
  });
  fc.assert(fc.property(pair, ([request, ack]) => {
    const requestBytes = encodeRequest(request, key);
    const mac = requestMacOf(requestBytes);
    const bytes = encodeAck(ack, key, mac);
    assert.ok(bytes.length <= requestBytes.length);
    const reportCount = request.report ? request.addresses.length : 0;
    assert.deepEqual(decodeAck(bytes, { key, id: request.id, mac, reportCount }), ack);
  }));
});

Deno.test("decodeAck() refuses every flipped bit", () => {
  for (const each of ackVectors) {
    for (let bit = 0; bit < 8 * each.bytes.length; bit++) {
      const bytes = each.bytes.slice();
      bytes[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(typeof decodeAck(bytes, sent(each)), "string", `${each.name}, bit ${bit}`);
    }
  }
});

Deno.test("decodeAck() refuses every other length", () => {
  const each = vector("flush all and report");
  const longer = new Uint8Array(2001);
  longer.set(each.bytes);
  for (let length = 0; length <= 2000; length++) {
    if (length === each.bytes.length) continue;
    assert.equal(decodeAck(longer.subarray(0, length), sent(each)), "length");
  }
});

Deno.test("decodeAck() refuses more than 61 reports even at the right length", () => {
  const bytes = new Uint8Array(ackLength(62));
  bytes.set(vector("flush all").bytes.subarray(0, 112));
  bytes[7] = 62;
  assert.equal(decodeAck(bytes, sent(vector("flush all"))), "length");
});

Deno.test("encodeAck() and decodeAck() take as many as 61 reports", () => {
  const { ack, to } = vector("flush all");
  const mac = requestMacOf(to.bytes);
  const report = { state: "no neighbor", linkLayerAddress: new Uint8Array(6) } as const;
  const full = { ...ack, reports: Array.from({ length: 61 }, () => report) };
  const sent = { key, id: ack.id, mac, reportCount: 61 };
  assert.deepEqual(decodeAck(encodeAck(full, key, mac), sent), full);
});

Deno.test("decodeAck() says what is foreign: header, key, request id, MAC", () => {
  const each = vector("flush all");
  const fault = (at: number) => {
    const bytes = each.bytes.slice();
    bytes[at] ^= 0x80;
    return decodeAck(bytes, sent(each));
  };
  for (const at of [0, 1, 2, 3, 4, 5]) assert.equal(fault(at), "header");
  for (const at of [8, 11]) assert.equal(fault(at), "key");
  for (const at of [20, 35]) assert.equal(fault(at), "request id");
  for (const at of [6, 12, 36, 48, 111, 112, 127]) assert.equal(fault(at), "mac");
});

Deno.test("decodeAck() refuses a genuine ack moved to another request", () => {
  const each = vector("flush all");
  const mac = new Uint8Array(16);
  assert.equal(decodeAck(each.bytes, { ...sent(each), mac }), "mac");
});

Deno.test("decodeAck() refuses an ack under another key with the same id", () => {
  const each = vector("flush all");
  const other = { ...createKey(new Uint8Array(32)), id: key.id };
  assert.equal(decodeAck(each.bytes, { ...sent(each), key: other }), "mac");
});

const contradictions: [string, string, (bytes: Uint8Array) => void][] = [
  ["status 0", "flush all", (bytes) => bytes[6] = 0],
  ["an unknown status", "flush all", (bytes) => bytes[6] = 5],
  ["reports with a failure", "flush all and report", (bytes) => bytes[6] = 4],
  ["an unknown neighbor state", "flush all and report", (bytes) => bytes[112] = 4],
  ["an unknown neighbor state without an address", "flush all and report", (bytes) => {
    bytes.set([4, 0, 0, 0, 0, 0, 0, 0], 112);
  }],
  ["a reserved byte in a report", "flush all and report", (bytes) => bytes[113] = 1],
  ["an address without a neighbor", "flush all and report", (bytes) => bytes[112] = 1],
  ["a host name that isn't UTF-8", "flush all", (bytes) => bytes[48] = 0xff],
  ["a host name with bytes behind its zero", "flush all", (bytes) => bytes[111] = 0x61],
];
for (const [what, name, change] of contradictions) {
  Deno.test(`decodeAck() rejects ${what}`, () => {
    assert.equal(decodeAck(resigned(vector(name), change), sent(vector(name))), "content");
  });
}

Deno.test("decodeAck() rejects reports nobody asked for, and a missing report", () => {
  const reported = vector("flush all and report");
  assert.equal(decodeAck(reported.bytes, { ...sent(reported), reportCount: 0 }), "content");
  const plain = vector("flush all");
  assert.equal(decodeAck(plain.bytes, { ...sent(plain), reportCount: 1 }), "content");
});

Deno.test("encodeAck() saturates counts and refuses what the format can't carry", () => {
  const each = vector("flush all");
  const mac = requestMacOf(each.to.bytes);
  const large = encodeAck({ ...each.ack, entries: 2 ** 40, micros: -1 }, key, mac);
  const ack = decodeAck(large, sent(each));
  assert.ok(typeof ack === "object");
  assert.equal(ack.entries, 0xffff_ffff);
  assert.equal(ack.micros, 0);
  const report = { state: "no neighbor" as const, linkLayerAddress: new Uint8Array(6) };
  for (const wrong of [{ id: new Uint8Array(15) }, { reports: Array(62).fill(report) }]) {
    assert.throws(() => encodeAck({ ...each.ack, ...wrong }, key, mac), RangeError);
  }
});

Deno.test("ackLength() is never more than requestLength() of the same count", () => {
  for (let n = 0; n <= 61; n++) assert.ok(ackLength(n) <= requestLength(n));
  assert.equal(requestLength(61), 1226);
});
