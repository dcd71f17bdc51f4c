import fc from "fast-check";
import assert from "node:assert/strict";
import { createKey } from "../../../lib/wire/keys.ts";
import {
  encodeRequest,
  parseRequest,
  requestHeaderFault,
  requestLength,
  verifyRequest,
} from "../../../lib/wire/request.ts";
import { flushRequest } from "./arbitraries.ts";
import { key, requestVectors } from "./vectors.ts";

const vector = (name: string) => {
  const found = requestVectors.find((each) => each.name === name);
  assert.ok(found, name);
  return found;
};

/** A genuine request with some bytes changed and signed again, as a broken but authentic sender. */
function resigned(bytes: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array {
  const changed = bytes.slice();
  change(changed);
  changed.set(key.requestMac(changed.subarray(0, -16)), changed.length - 16);
  return changed;
}

for (const { name, request, bytes } of requestVectors) {
  Deno.test(`encodeRequest() makes the golden bytes of "${name}"`, () => {
    assert.deepEqual(encodeRequest(request, key), bytes);
  });

  Deno.test(`parseRequest() reads the golden bytes of "${name}"`, () => {
    assert.equal(requestHeaderFault(bytes), null);
    assert.ok(verifyRequest(bytes, key));
    const sender = new TextDecoder().decode(new TextEncoder().encode(request.sender).slice(0, 64));
    assert.deepEqual(parseRequest(bytes), { ...request, sender });
  });
}

Deno.test("encodeRequest() and parseRequest() are a round trip for any request", () => {
  fc.assert(fc.property(flushRequest, (request) => {
    const bytes = encodeRequest(request, key);
    assert.equal(bytes.length, requestLength(request.addresses.length));
    assert.equal(requestHeaderFault(bytes), null);
    assert.ok(verifyRequest(bytes, key));
    assert.deepEqual(parseRequest(bytes), request);
  }));
});

Deno.test("verifyRequest() refuses any flipped bit that the header check lets through", () => {
  fc.assert(fc.property(flushRequest, fc.nat(), (request, position) => {
    const bytes = encodeRequest(request, key);
    const bit = position % (8 * bytes.length);
    bytes[bit >> 3] ^= 1 << (bit & 7);
    assert.ok(requestHeaderFault(bytes) !== null || !verifyRequest(bytes, key));
  }));
});

Deno.test("verifyRequest() refuses another key's MAC", () => {
  assert.equal(verifyRequest(requestVectors[0].bytes, createKey(new Uint8Array(32))), false);
});

Deno.test("requestHeaderFault() rejects every other length", () => {
  for (const { bytes } of requestVectors) {
    const longer = new Uint8Array(2001);
    longer.set(bytes);
    for (let length = 0; length <= 2000; length++) {
      const expected = length === bytes.length ? null : "length";
      assert.equal(requestHeaderFault(longer.subarray(0, length)), expected, `length ${length}`);
    }
  }
});

Deno.test("requestHeaderFault() rejects more than 61 addresses even at the right length", () => {
  const bytes = new Uint8Array(requestLength(62));
  bytes.set(vector("longest").bytes.subarray(0, 112));
  bytes[38] = 62;
  assert.equal(requestHeaderFault(bytes), "length");
});

Deno.test("requestHeaderFault() names magic, version, type and reserved", () => {
  const fault = (at: number, value: number) => {
    const bytes = requestVectors[0].bytes.slice();
    bytes[at] = value;
    return requestHeaderFault(bytes);
  };
  for (const at of [0, 1, 2, 3]) assert.equal(fault(at, 0), "magic");
  assert.equal(fault(4, 2), "version");
  assert.equal(fault(5, 2), "type");
  for (const bit of [4, 8, 16, 32, 64, 128]) assert.equal(fault(7, 1 | bit), "reserved");
  for (let at = 39; at < 48; at++) assert.equal(fault(at, 1), "reserved");
});

const contradictions: [string, string, (bytes: Uint8Array) => void][] = [
  ["an unknown action", "flush all", (bytes) => bytes[6] = 3],
  ["a report without an ack", "flush all and report", (bytes) => bytes[7] = 2],
  ["listed addresses missing", "flush all", (bytes) => bytes[6] = 2],
  ["a report without addresses", "flush all", (bytes) => bytes[7] = 3],
  ["addresses nobody asked for", "flush all and report", (bytes) => bytes[7] = 1],
  ["a family other than 4 and 6", "two addresses", (bytes) => bytes[112] = 5],
  ["an IPv4 prefix over 32", "two addresses", (bytes) => bytes[113] = 33],
  ["an IPv6 prefix over 128", "two addresses", (bytes) => bytes[131] = 129],
  ["host bits", "two addresses", (bytes) => bytes[147] = 1],
  ["bytes behind an IPv4 address", "two addresses", (bytes) => bytes[129] = 1],
  ["a sender name that isn't UTF-8", "flush all", (bytes) => bytes[48] = 0xff],
  ["a sender name with bytes behind its zero", "flush all", (bytes) => bytes[111] = 0x61],
];
for (const [what, name, change] of contradictions) {
  Deno.test(`parseRequest() rejects ${what}`, () => {
    const bytes = resigned(vector(name).bytes, change);
    assert.equal(requestHeaderFault(bytes), null);
    assert.ok(verifyRequest(bytes, key));
    assert.equal(parseRequest(bytes), null);
  });
}

Deno.test("parseRequest() keeps nothing of the bytes", () => {
  const bytes = vector("two addresses").bytes.slice();
  const request = parseRequest(bytes);
  bytes.fill(0xff);
  assert.deepEqual(request, vector("two addresses").request);
});

Deno.test("parseRequest() reads a created time beyond exact numbers as the largest exact one", () => {
  const bytes = resigned(requestVectors[0].bytes, (bytes) => bytes.fill(0xff, 12, 20));
  assert.equal(parseRequest(bytes)?.created, Number.MAX_SAFE_INTEGER);
});

Deno.test("encodeRequest() refuses what the format can't carry", () => {
  const { request } = vector("flush all");
  const address = vector("two addresses").request.addresses[0];
  const hostBits = { ...address, length: 8, bytes: new Uint8Array(16).fill(1) };
  const listed = { ...request, action: "flush listed" as const };
  for (
    const wrong of [
      { ...request, report: true },
      { ...request, acknowledge: false, report: true, addresses: [address] },
      { ...request, addresses: [address] },
      listed,
      { ...listed, addresses: Array(62).fill(address) },
      { ...listed, addresses: [hostBits] },
      { ...request, id: new Uint8Array(15) },
      { ...request, created: -1 },
      { ...request, created: 1.5 },
      { ...request, created: 2 ** 53 },
      { ...request, ackSpreadMs: 65_536 },
      { ...request, ackSpreadMs: -1 },
      { ...request, ackSpreadMs: 0.5 },
    ]
  ) assert.throws(() => encodeRequest(wrong, key), RangeError);
});

Deno.test("encodeRequest() cuts a long name at a character boundary", () => {
  const sender = "ü".repeat(31) + "€uro";
  const bytes = encodeRequest({ ...requestVectors[0].request, sender }, key);
  assert.equal(parseRequest(bytes)?.sender, "ü".repeat(31));
});
