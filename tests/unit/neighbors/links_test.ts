import assert from "node:assert/strict";
import { interfacesToward, linksOf } from "../../../lib/neighbors/linux.ts";
import { type AddressPrefix, formatPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";

/** As `Deno.networkInterfaces()` names addresses. */
const links = linksOf([
  { name: "lo", address: "127.0.0.1", cidr: "127.0.0.1/8" },
  { name: "lo", address: "::1", cidr: "::1/128" },
  { name: "e0", address: "192.0.2.5", cidr: "192.0.2.5/24" },
  { name: "e0", address: "fe80::5", cidr: "fe80::5/64" },
  { name: "e1", address: "198.51.100.5", cidr: "198.51.100.5/24" },
  { name: "e1", address: "10.1.0.5", cidr: "10.1.0.5/16" },
  { name: "e1", address: "fe80::6", cidr: "fe80::6/64" },
  { name: "e2", address: "10.0.0.5", cidr: "10.0.0.5/8" },
  { name: "tun0", address: "203.0.113.7", cidr: "203.0.113.7/32" },
]);

function toward(address: string, source?: string): string[] {
  return interfacesToward(links, parsePrefix(address), source ? parsePrefix(source) : undefined);
}

Deno.test("linksOf() leaves out what has no address or no prefix length", () => {
  const found = linksOf([
    { name: "e0", address: "192.0.2.5", cidr: "192.0.2.5/24" },
    { name: "e1", address: "192.0.2.6", cidr: "" },
    { name: "e2", address: "192.0.2.7", cidr: "192.0.2.7/255" },
    { name: "e3", address: "nonsense", cidr: "nonsense/24" },
  ]);
  assert.deepEqual(found.map((link) => link.interfaceName), ["e0"]);
  assert.equal(formatPrefix(found[0].network), "192.0.2.0/24");
});

Deno.test("linksOf() takes labels and zones off", () => {
  const found = linksOf([
    { name: "e0:vip", address: "192.0.2.5", cidr: "192.0.2.5/24" },
    { name: "e1", address: "fe80::5%e1", cidr: "fe80::5%e1/64" },
  ]);
  assert.deepEqual(found.map((link) => link.interfaceName), ["e0", "e1"]);
});

Deno.test("interfacesToward() finds the interface whose network holds the address", () => {
  assert.deepEqual(toward("192.0.2.1"), ["e0"]);
  assert.deepEqual(toward("198.51.100.1"), ["e1"]);
});

Deno.test("interfacesToward() prefers the longest prefix", () => {
  assert.deepEqual(toward("10.1.2.3"), ["e1"]);
  assert.deepEqual(toward("10.2.2.3"), ["e2"]);
});

Deno.test("interfacesToward() names every link of a link-local address, or the source's", () => {
  assert.deepEqual(toward("fe80::1"), ["e0", "e1"]);
  assert.deepEqual(toward("fe80::1", "198.51.100.1"), ["e1"]);
  assert.deepEqual(toward("fe80::1", "192.0.2.1"), ["e0"]);
  assert.deepEqual(toward("fe80::1", "203.0.113.99"), ["e0", "e1"]);
  assert.deepEqual(toward("fe80::1", "fe80::9"), ["e0", "e1"]);
});

for (
  const [what, address] of [
    ["the host's own address", "192.0.2.5"],
    ["an own address on a loopback interface", "::1"],
    ["a loopback address", "127.0.0.9"],
    ["an address on no link", "203.0.113.8"],
    ["an IPv6 address on no link", "2001:db8::1"],
  ]
) {
  Deno.test(`interfacesToward() finds none for ${what}`, () => {
    assert.deepEqual(toward(address), []);
  });
}

Deno.test("interfacesToward() finds none on a host without addresses", () => {
  const address: AddressPrefix = parsePrefix("192.0.2.1");
  assert.deepEqual(interfacesToward([], address), []);
});
