import fc from "fast-check";
import assert from "node:assert/strict";
import { createSyncSigner, isSignedBy } from "../../../lib/wire/ed25519_node.ts";
import { createRouterKey } from "../../../lib/wire/keys.ts";
import {
  encodeRequest,
  hasRightFilter,
  type HeaderFault,
  parseRequest,
  requestChallengeOf,
  requestCreatedOf,
  requestFilterOf,
  requestHeaderFault,
  requestIdOf,
  requestLength,
  requestMessage,
  requestSignatureOf,
  sealRequest,
} from "../../../lib/wire/request.ts";
import { flushRequest } from "./arbitraries.ts";
import {
  refusedRequests,
  requestVectors,
  routerKey,
  routerSigner,
  signedRequest,
} from "./vectors.ts";

/** What is wrong with bytes as a request of the vectors' router, in the order of acceptance. */
function faultOf(
  bytes: Uint8Array,
): HeaderFault | "key" | "filter" | "signature" | "content" | null {
  const fault = requestHeaderFault(bytes);
  if (fault !== null) return fault;
  if (routerKey.id.some((byte, i) => byte !== bytes[8 + i])) return "key";
  if (!hasRightFilter(bytes, routerKey)) return "filter";
  if (!isSignedBy(routerKey, requestMessage(bytes), requestSignatureOf(bytes))) return "signature";
  return parseRequest(bytes) === null ? "content" : null;
}

const vector = (name: string) => {
  const found = requestVectors.find((each) => each.name === name);
  assert.ok(found, name);
  return found;
};

/** A genuine request with some bytes changed and signed again, as a broken but authentic router. */
function resigned(bytes: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array {
  const changed = bytes.slice();
  change(changed);
  sealRequest(changed, routerSigner.sign(requestMessage(changed)), routerKey);
  return changed;
}

/** Changed bytes under a right filter, which everybody can make who knows the public key. */
function refiltered(bytes: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array {
  const changed = bytes.slice();
  change(changed);
  sealRequest(changed, requestSignatureOf(changed).slice(), routerKey);
  return changed;
}

function flip(bytes: Uint8Array, ...bits: number[]): void {
  for (const bit of bits) bytes[bit >> 3] ^= 1 << (bit & 7);
}

for (const { name, request, bytes } of requestVectors) {
  Deno.test(`encodeRequest() and sealRequest() make the golden bytes of "${name}"`, () => {
    assert.deepEqual(signedRequest(request), bytes);
  });

  Deno.test(`parseRequest() reads the golden bytes of "${name}"`, () => {
    assert.equal(faultOf(bytes), null);
    const sender = new TextDecoder().decode(new TextEncoder().encode(request.sender).slice(0, 64));
    assert.deepEqual(parseRequest(bytes), { ...request, sender });
    assert.deepEqual(requestIdOf(bytes), request.id);
    assert.deepEqual(requestChallengeOf(bytes), request.challenge);
    assert.equal(requestCreatedOf(bytes), request.created);
    assert.deepEqual(requestFilterOf(bytes), bytes.slice(-16));
  });
}

const refusedAs: Record<string, ReturnType<typeof faultOf>> = {
  "flags 2: report without acknowledge": "flags",
  "flags 5": "flags",
  "action 3": "action",
  "byte 39": "reserved",
  "action 2 without addresses": "count",
  "addresses with action 1 and no report": "count",
  "a byte behind the name's end": "content",
  "name that isn't UTF-8": "content",
  "host bits": "content",
  "family 5": "content",
  "prefix 33 of family 4": "content",
  "bytes behind an IPv4 address": "content",
  "padding not zero": "reserved",
  "version 1": "version",
  "type 3": "type",
  "signed by another key, right filter": "signature",
  "S + L": "signature",
  "56 addresses": "length",
};
for (const { name, bytes } of refusedRequests) {
  Deno.test(`a request is refused as the vectors say: ${name}`, () => {
    assert.equal(faultOf(bytes), refusedAs[name]);
  });
}

Deno.test("encodeRequest() and parseRequest() are a round trip for any request", () => {
  fc.assert(fc.property(flushRequest, (request) => {
    const bytes = signedRequest(request);
    assert.equal(bytes.length, requestLength(request.addresses.length));
    assert.equal(faultOf(bytes), null);
    assert.deepEqual(parseRequest(bytes), request);
  }));
});

Deno.test("a request with any bit flipped is refused before its signature", () => {
  for (const { name, bytes } of requestVectors) {
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = bytes.slice();
      flip(changed, bit);
      const fault = faultOf(changed);
      assert.ok(fault !== null && fault !== "signature" && fault !== "content", `${name} ${bit}`);
    }
  }
});

Deno.test("a request with any signed bit flipped is refused under a right filter too", () => {
  const { bytes } = vector("two addresses");
  for (let bit = 0; bit < 8 * (bytes.length - 16); bit++) {
    const fault = faultOf(refiltered(bytes, (changed) => flip(changed, bit)));
    assert.ok(fault !== null && fault !== "content", `bit ${bit}`);
  }
});

Deno.test("a signature by another key, or of another context, is refused", () => {
  const { request, bytes } = vector("flush all");
  const other = createSyncSigner(new Uint8Array(32).fill(7));
  assert.equal(faultOf(signedRequest(request, routerKey, other)), "signature");
  const bare = bytes.slice();
  sealRequest(bare, routerSigner.sign(bytes.subarray(0, -80)), routerKey);
  assert.equal(faultOf(bare), "signature");
  assert.equal(hasRightFilter(bytes, createRouterKey(other.publicKey)), false);
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

Deno.test("requestHeaderFault() names what is wrong with each byte before the list", () => {
  const fault = (at: number, value: number) => {
    const bytes = requestVectors[0].bytes.slice();
    bytes[at] = value;
    return requestHeaderFault(bytes);
  };
  for (const at of [0, 1, 2, 3]) assert.equal(fault(at, 0), "magic");
  assert.equal(fault(4, 1), "version");
  assert.equal(fault(5, 2), "type");
  for (const action of [3, 255]) assert.equal(fault(6, action), "action");
  for (const bit of [4, 8, 16, 32, 64, 128]) assert.equal(fault(7, 1 | bit), "flags");
  assert.equal(fault(7, 2), "flags");
  assert.equal(fault(7, 3), "count");
  assert.equal(fault(6, 2), "count");
  assert.equal(fault(39, 1), "reserved");
  for (let at = 112; at < 152; at++) assert.equal(fault(at, 1), "reserved");
});

Deno.test("parseRequest() rejects an IPv6 prefix over 128, and its host bits", () => {
  const { bytes } = vector("two addresses");
  for (const [at, value] of [[131, 129], [147, 1]]) {
    assert.equal(faultOf(resigned(bytes, (changed) => changed[at] = value)), "content");
  }
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
      { ...listed, addresses: Array(56).fill(address) },
      { ...listed, addresses: [hostBits] },
      { ...request, id: new Uint8Array(15) },
      { ...request, challenge: new Uint8Array(7) },
      { ...request, created: -1 },
      { ...request, created: 1.5 },
      { ...request, created: 2 ** 53 },
      { ...request, ackSpreadMs: 65_536 },
      { ...request, ackSpreadMs: -1 },
      { ...request, ackSpreadMs: 0.5 },
    ]
  ) assert.throws(() => encodeRequest(wrong, routerKey), RangeError);
});
