import fc from "fast-check";
import assert from "node:assert/strict";
import {
  type AckFault,
  ackLength,
  decodeAck,
  encodeAck,
  type FlushAck,
  type SentRequest,
} from "../../../lib/wire/ack.ts";
import { isSignedBy } from "../../../lib/wire/ed25519_node.ts";
import { parseKey } from "../../../lib/wire/keys.ts";
import { requestFilterOf } from "../../../lib/wire/request.ts";
import { sentRequest } from "../../support/datagrams.ts";
import { flushAck, flushRequest } from "./arbitraries.ts";
import {
  ackVectors,
  hostSigner,
  refusedAcks,
  routerKey,
  signedRequest,
  vectors,
} from "./vectors.ts";

type Vector = Pick<typeof ackVectors[number], "to" | "bytes">;

const router = { key: routerKey };
const sent = ({ to }: Vector): SentRequest => sentRequest(to.bytes, router);

/** The ack in bytes, or what is wrong with them, a signature that isn't the host key's included. */
function read(bytes: Uint8Array, request: SentRequest): FlushAck | AckFault | "signature" {
  const decoded = decodeAck(bytes, request);
  if (typeof decoded === "string") return decoded;
  const { ack, hostKey, message, signature } = decoded;
  return isSignedBy({ publicKey: hostKey }, message, signature) ? ack : "signature";
}

const vector = (name: string) => {
  const found = ackVectors.find((each) => each.name === name);
  assert.ok(found, name);
  return found;
};

/** Changed bytes under a right MAC, which everybody can make who knows the router's public key. */
function remade(vector: Vector, change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = vector.bytes.slice();
  change(bytes);
  const mac = routerKey.ackMac(bytes.subarray(0, -16), requestFilterOf(vector.to.bytes));
  bytes.set(mac, bytes.length - 16);
  return bytes;
}

function flip(bytes: Uint8Array, ...bits: number[]): void {
  for (const bit of bits) bytes[bit >> 3] ^= 1 << (bit & 7);
}

for (const each of ackVectors) {
  Deno.test(`encodeAck() makes the golden bytes of "${each.name}"`, () => {
    const filter = requestFilterOf(each.to.bytes);
    assert.deepEqual(encodeAck(each.ack, routerKey, filter, hostSigner), each.bytes);
  });

  Deno.test(`decodeAck() reads the golden bytes of "${each.name}"`, () => {
    assert.deepEqual(read(each.bytes, sent(each)), each.ack);
    const decoded = decodeAck(each.bytes, sent(each));
    assert.ok(typeof decoded === "object");
    assert.deepEqual(decoded.hostKey, parseKey("host", vectors.hostPublic));
  });
}

const refusedAs: Record<string, AckFault | "signature"> = {
  "alive answers a flush": "content",
  "flushed answers a probe": "content",
  "status 6": "content",
  "a report that wasn't asked for": "content",
  "no report though asked for": "content",
  "state 5": "content",
  "flags 4": "content",
  "a link-layer address in state 1": "content",
  "stale without a challenge": "content",
  "failed with a report": "content",
  "to a request without acknowledge": "content",
  "right MAC, wrong signature": "signature",
  "host key of 32 zero bytes": "host key",
  "of another request": "request id",
};
for (const each of refusedAcks) {
  Deno.test(`an ack is refused as the vectors say: ${each.name}`, () => {
    assert.equal(read(each.bytes, sent(each)), refusedAs[each.name]);
  });
}

Deno.test("encodeAck() and decodeAck() are a round trip, never longer than the request", () => {
  const pair = flushRequest.filter((request) => request.acknowledge)
    .chain((request) => fc.tuple(fc.constant(request), flushAck(request)));
  fc.assert(fc.property(pair, ([request, ack]) => {
    const requestBytes = signedRequest(request);
    const bytes = encodeAck(ack, routerKey, requestFilterOf(requestBytes), hostSigner);
    assert.ok(bytes.length <= requestBytes.length);
    assert.deepEqual(read(bytes, sentRequest(requestBytes, router)), ack);
  }));
});

Deno.test("an ack with any bit flipped is refused, under a right MAC too", () => {
  for (const each of ackVectors) {
    for (let bit = 0; bit < 8 * each.bytes.length; bit++) {
      const changed = each.bytes.slice();
      flip(changed, bit);
      assert.equal(typeof decodeAck(changed, sent(each)), "string", `${each.name}, bit ${bit}`);
    }
  }
  const each = vector("flush all and report");
  for (let bit = 0; bit < 8 * (each.bytes.length - 16); bit++) {
    const bytes = remade(each, (changed) => flip(changed, bit));
    assert.equal(typeof read(bytes, sent(each)), "string", `bit ${bit}`);
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
  const tooMany = new Uint8Array(ackLength(56));
  tooMany.set(each.bytes);
  tooMany[7] = 56;
  assert.equal(decodeAck(tooMany, sent(each)), "length");
});

Deno.test("encodeAck() and decodeAck() take as many as 55 reports", () => {
  const each = vector("flush all and report");
  const full = { ...each.ack, reports: Array.from({ length: 55 }, () => each.ack.reports[0]) };
  const bytes = encodeAck(full, routerKey, requestFilterOf(each.to.bytes), hostSigner);
  assert.deepEqual(read(bytes, { ...sent(each), reportCount: 55 }), full);
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
  for (const at of [6, 12, 36, 48, 111, 112, 231]) assert.equal(fault(at), "mac");
});

/** Besides those of the vectors. */
const contradictions: [string, string, (bytes: Uint8Array) => void][] = [
  ["status 0", "flush all", (bytes) => bytes[6] = 0],
  ["pending in answer to a probe", "probe", (bytes) => bytes[6] = 5],
  ["a stale one with a name", "stale", (bytes) => bytes[48] = 0x61],
  ["an address of no concern with a neighbor", "flush all and report", (bytes) => bytes[120] = 0],
  ["an address of unknown state", "flush all and report", (bytes) => bytes[120] = 4],
  ["a host name that isn't UTF-8", "flush all", (bytes) => bytes[48] = 0xff],
  ["a host name with bytes behind its zero", "flush all", (bytes) => bytes[111] = 0x61],
];
for (const [what, name, change] of contradictions) {
  Deno.test(`decodeAck() rejects ${what}`, () => {
    assert.equal(decodeAck(remade(vector(name), change), sent(vector(name))), "content");
  });
}

Deno.test("decodeAck() takes a stale or failed answer to each action", () => {
  for (const name of ["stale", "two addresses"]) {
    const each = vector(name);
    for (const action of ["probe", "flush all", "flush listed"] as const) {
      assert.deepEqual(decodeAck(each.bytes, { ...sent(each), action }), {
        ...decodeAck(each.bytes, sent(each)) as object,
      });
    }
  }
});

Deno.test("decodeAck() reads a clock beyond the calendar as the last time that a Date can be", () => {
  const each = vector("flush all");
  const decoded = decodeAck(remade(each, (bytes) => bytes.fill(0xff, 12, 20)), sent(each));
  assert.ok(typeof decoded === "object");
  assert.equal(new Date(decoded.ack.clock).toISOString(), "+275760-09-13T00:00:00.000Z");
});

Deno.test("decodeAck() keeps nothing of the bytes", () => {
  const each = vector("flush all and report");
  const bytes = each.bytes.slice();
  const decoded = decodeAck(bytes, sent(each));
  bytes.fill(0xff);
  assert.deepEqual(decoded, decodeAck(each.bytes, sent(each)));
});

Deno.test("encodeAck() saturates counts and refuses what the format can't carry", () => {
  const each = vector("flush all");
  const filter = requestFilterOf(each.to.bytes);
  const encode = (ack: Partial<FlushAck>) =>
    encodeAck({ ...each.ack, ...ack }, routerKey, filter, hostSigner);
  const ack = read(encode({ entries: 2 ** 40, micros: -1 }), sent(each));
  assert.ok(typeof ack === "object");
  assert.equal(ack.entries, 0xffff_ffff);
  assert.equal(ack.micros, 0);
  const report = vector("flush all and report").ack.reports[0];
  const challenge = new Uint8Array(8).fill(1);
  for (
    const wrong of [
      { id: new Uint8Array(15) },
      { instance: new Uint8Array(7) },
      { reports: Array(56).fill(report) },
      { challenge },
      { status: "stale" as const, host: "" },
      { status: "stale" as const, challenge },
    ]
  ) assert.throws(() => encode(wrong), RangeError);
});
