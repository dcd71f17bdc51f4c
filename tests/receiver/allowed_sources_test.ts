import assert from "node:assert/strict";
import {
  allowNetworks,
  allowOnLink,
  type OwnAddress,
  parseSource,
} from "../../lib/receiver/allowed_sources.ts";
import { parsePrefix } from "../../lib/wire/ip_address.ts";
import { address } from "./helpers.ts";

const eth0: OwnAddress = { address: "192.0.2.7", cidr: "192.0.2.7/24" };
/** The monotonic clock has no zero that means anything. */
const start = 1_000_000;
const linkLocal: OwnAddress = { address: "fe80::1%eth0", cidr: "fe80::1%eth0/64" };

Deno.test("allowOnLink() allows the networks of own addresses and loopback, nothing else", () => {
  const isAllowed = allowOnLink(() => [eth0, linkLocal], () => 0);
  for (const text of ["192.0.2.1", "192.0.2.255", "fe80::2", "127.0.0.1", "127.9.9.9", "::1"]) {
    assert.equal(isAllowed(address(text)), true, text);
  }
  for (const text of ["192.0.3.1", "10.0.0.1", "fe80:0:0:1::1", "2001:db8::1", "0.0.0.0", "::"]) {
    assert.equal(isAllowed(address(text)), false, text);
  }
});

Deno.test("allowNetworks() allows those networks and loopback, not what is on-link", () => {
  const isAllowed = allowNetworks([parsePrefix("10.0.0.0/8"), parsePrefix("2001:db8::5")]);
  for (const text of ["10.255.0.1", "2001:db8::5", "127.0.0.1", "::1"]) {
    assert.equal(isAllowed(address(text)), true, text);
  }
  for (const text of ["11.0.0.1", "2001:db8::6", "::2"]) {
    assert.equal(isAllowed(address(text)), false, text);
  }
});

Deno.test("allowOnLink() reads the interfaces anew for an unknown source, once a second at most", () => {
  let now = start, reads = 0;
  let own = [eth0];
  const isAllowed = allowOnLink(() => (reads++, own), () => now);
  const late = address("10.0.0.1");
  assert.equal(reads, 1, "when it is made");
  assert.equal(isAllowed(late), false);
  assert.equal(reads, 2);
  own = [eth0, { address: "10.0.0.7", cidr: "10.0.0.7/8" }];
  now = start + 999;
  for (let i = 0; i < 100; i++) assert.equal(isAllowed(late), false);
  assert.equal(reads, 2);
  now = start + 1_000;
  assert.equal(isAllowed(late), true);
  assert.equal(reads, 3);
  now = start + 30_999;
  assert.equal(isAllowed(late), true);
  assert.equal(reads, 3);
});

Deno.test("allowOnLink() forgets a network that is gone after 30 s", () => {
  let now = start;
  let own = [eth0];
  const isAllowed = allowOnLink(() => own, () => now);
  assert.equal(isAllowed(address("192.0.2.1")), true);
  own = [];
  now = start + 29_999;
  assert.equal(isAllowed(address("192.0.2.1")), true);
  now = start + 30_000;
  assert.equal(isAllowed(address("192.0.2.1")), false);
});

Deno.test("allowOnLink() allows an own address that is alone in its network", () => {
  const alone = { address: "192.0.2.9", cidr: "192.0.2.9/32" };
  const isAllowed = allowOnLink(() => [alone], () => start);
  assert.equal(isAllowed(address("192.0.2.9")), true);
  assert.equal(isAllowed(address("192.0.2.8")), false);
});

Deno.test("allowOnLink() leaves out an own address that it can't read, and takes the others", () => {
  const odd: OwnAddress[] = [
    { address: "eth1", cidr: "eth1/0" },
    { address: "10.0.0.7", cidr: "10.0.0.7" },
    { address: "10.0.0.7", cidr: "10.0.0.7/33" },
    { address: "2001:db8::7", cidr: "2001:db8::7/129" },
    eth0,
  ];
  const isAllowed = allowOnLink(() => odd, () => start);
  assert.equal(isAllowed(address("192.0.2.1")), true);
  for (const text of ["10.0.0.7", "10.0.0.8", "203.0.113.1", "2001:db8::7", "2001:db8::8"]) {
    assert.equal(isAllowed(address(text)), false, text);
  }
});

Deno.test("allowOnLink() keeps the last networks while the interfaces can't be read", () => {
  let now = 0, broken = false;
  const isAllowed = allowOnLink(() => {
    if (broken) throw new Error("Too many open files");
    return [eth0];
  }, () => now);
  broken = true;
  assert.equal(isAllowed(address("192.0.2.1")), true, "the first datagram");
  now = 60_000;
  assert.equal(isAllowed(address("192.0.2.1")), true);
});

Deno.test("allowOnLink() understands the interfaces of this machine", () => {
  const isAllowed = allowOnLink(() => Deno.networkInterfaces(), () => 0);
  for (const own of Deno.networkInterfaces()) {
    const source = parseSource(own.address);
    assert.ok(source !== null && isAllowed(source), own.address);
  }
});

Deno.test("parseSource() unmaps IPv4 and leaves the zone out", () => {
  assert.deepEqual(parseSource("::ffff:192.0.2.1"), address("192.0.2.1"));
  assert.deepEqual(parseSource("fe80::1%eth0"), address("fe80::1"));
  assert.equal(parseSource("example"), null);
});
