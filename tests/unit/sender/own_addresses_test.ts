import assert from "node:assert/strict";
import {
  defaultAddresses,
  interfacesOf,
  ownershipOf,
  parseHost,
  uniquePrefixes,
} from "../../../lib/sender/targets.ts";
import { formatPrefix } from "../../../lib/wire/addresses.ts";
import { interfaces, mac, prefix, router } from "./helpers.ts";

function through(...hosts: string[]): string[] {
  return interfacesOf(hosts.map(parseHost), router).map(({ name }) => name);
}

Deno.test("interfacesOf() finds the link of an address, in either family", () => {
  assert.deepEqual(through("192.0.2.7"), ["e0"]);
  assert.deepEqual(through("198.51.100.127"), ["e1"]);
  assert.deepEqual(through("2001:db8::7"), ["e0"]);
  assert.deepEqual(through("198.51.100.7", "192.0.2.7"), ["e0", "e1"]);
});

Deno.test("interfacesOf() goes by the zone of a link-local address", () => {
  assert.deepEqual(through("fe80::7%e1"), ["e1"]);
  assert.deepEqual(through("fe80::7%e9"), []);
});

Deno.test("interfacesOf() takes all interfaces with neighbors for a name or a routed address", () => {
  assert.deepEqual(through("web1"), ["e0", "e1"]);
  assert.deepEqual(through("203.0.113.7"), ["e0", "e1"]);
});

Deno.test("interfacesOf() knows none for this machine alone", () => {
  assert.deepEqual(through("127.0.0.1", "::1"), []);
});

Deno.test("defaultAddresses() puts IPv4 first, and virtual addresses first in each family", () => {
  const machine = interfaces(
    "e0 2001:db8::2/64 02:00:00:00:00:02",
    "e0 2001:db8::1/128 02:00:00:00:00:02",
    "e0 192.0.2.2/24 02:00:00:00:00:02",
    "e0 192.0.2.1/32 02:00:00:00:00:02",
    "e1 192.0.2.1/32 02:00:00:00:00:03",
  );
  assert.deepEqual(defaultAddresses(machine).map(formatPrefix), [
    "192.0.2.1",
    "192.0.2.2",
    "2001:db8::1",
    "2001:db8::2",
  ]);
});

Deno.test("uniquePrefixes() tells an address from its network and keeps the order", () => {
  const given = ["192.0.2.0/24", "192.0.2.0", "::1", "192.0.2.0/24", "::1"].map(prefix);
  assert.deepEqual(uniquePrefixes(given).map(formatPrefix), ["192.0.2.0/24", "192.0.2.0", "::1"]);
});

Deno.test("ownershipOf() knows the link-layer addresses of all interfaces", () => {
  const { isOwn } = ownershipOf(router, false);
  assert.ok(isOwn(mac("02:00:00:00:00:02")));
  assert.ok(isOwn(mac("02:00:00:00:01:02")));
  assert.ok(!isOwn(mac("02:00:00:00:00:01")));
  assert.ok(!isOwn(mac("00:00:00:00:00:00")));
});

/** Whether a report on an address is judged that comes from a source. */
const judged: [address: string, source: string, byDefault: boolean, ifNamed: boolean][] = [
  ["192.0.2.1", "192.0.2.7", true, true],
  ["192.0.2.1", "198.51.100.7", false, true],
  ["192.0.2.1", "203.0.113.7", true, true],
  ["fe80::2", "192.0.2.7", true, true],
  ["fe80::2", "198.51.100.7", false, false],
  ["fe80::2", "203.0.113.7", false, false],
  ["fe80::2", "fe80::7%e0", true, true],
  ["fe80::2", "fe80::7%e1", false, false],
  ["fe80::2", "fe80::7", true, true],
  ["203.0.113.1", "192.0.2.7", true, true],
  ["192.0.2.1", "no address", true, true],
];
for (const [address, source, byDefault, ifNamed] of judged) {
  Deno.test(`isJudged() is right about ${address} reported by ${source}`, () => {
    assert.equal(ownershipOf(router, false).isJudged(prefix(address), source), byDefault);
    assert.equal(ownershipOf(router, true).isJudged(prefix(address), source), ifNamed);
  });
}

Deno.test("isJudged() doesn't judge by a link-layer address that isn't known", () => {
  const { isJudged } = ownershipOf(interfaces("e0:vip 192.0.2.1/24"), true);
  assert.equal(isJudged(prefix("192.0.2.1"), "192.0.2.7"), false);
});
