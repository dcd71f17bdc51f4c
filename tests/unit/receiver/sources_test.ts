import assert from "node:assert/strict";
import {
  type AddressInfo,
  allowNetworks,
  OnLinkSources,
  parseSource,
} from "../../../lib/receiver/sources.ts";
import { type AddressPrefix, parsePrefix } from "../../../lib/wire/addresses.ts";
import { createTestTime } from "../../support/test_time.ts";

const eth0 = { address: "192.0.2.7", cidr: "192.0.2.7/24" };

/** The check of a host with these addresses. */
function onLink(own: readonly AddressInfo[]) {
  const sources = new OnLinkSources(() => own, createTestTime());
  return (source: AddressPrefix) => sources.isAllowed(source);
}

Deno.test("OnLinkSources allows the networks of own addresses and loopback, nothing else", () => {
  const cases: [string, AddressInfo[], string, string][] = [
    [
      "both families",
      [eth0, { address: "fe80::1%eth0", cidr: "fe80::1%eth0/64" }],
      "192.0.2.1 192.0.2.255 fe80::2 127.0.0.1 127.9.9.9 ::1",
      "192.0.3.1 10.0.0.1 fe80:0:0:1::1 2001:db8::1 0.0.0.0 ::",
    ],
    [
      "alone in its network",
      [{ address: "192.0.2.9", cidr: "192.0.2.9/32" }],
      "192.0.2.9",
      "192.0.2.8",
    ],
    [
      "beside what can't be read",
      [
        { address: "eth1", cidr: "eth1/0" },
        { address: "10.0.0.7", cidr: "10.0.0.7" },
        { address: "10.0.0.7", cidr: "10.0.0.7/33" },
        { address: "2001:db8::7", cidr: "2001:db8::7/129" },
        eth0,
      ],
      "192.0.2.1",
      "10.0.0.7 10.0.0.8 203.0.113.1 2001:db8::7 2001:db8::8",
    ],
  ];
  for (const [what, own, allowed, refused] of cases) {
    const isAllowed = onLink(own);
    for (const text of allowed.split(" ")) {
      assert.ok(isAllowed(parsePrefix(text)), `${what} ${text}`);
    }
    for (const text of refused.split(" ")) {
      assert.ok(!isAllowed(parsePrefix(text)), `${what} ${text}`);
    }
  }
});

Deno.test("OnLinkSources knows the host itself, at addresses it gets later too", () => {
  let own = [eth0];
  const time = createTestTime();
  const sources = new OnLinkSources(() => own, time);
  const isOwn = (text: string) => sources.isOwn(parsePrefix(text));
  const { address } = eth0;
  assert.deepEqual([address, "127.0.0.1", "192.0.2.77"].map(isOwn), [true, true, false]);
  own = [eth0, { address: "192.0.2.77", cidr: "192.0.2.77/24" }];
  time.pass(1_000);
  assert.equal(isOwn("192.0.2.77"), true);
  assert.equal(sources.isAllowed(parsePrefix("192.0.2.99")), true);
  assert.equal(isOwn("192.0.2.99"), false, "on-link, but another machine");
});

Deno.test("allowNetworks() allows those networks and loopback, not what is on-link", () => {
  const isAllowed = allowNetworks([parsePrefix("10.0.0.0/8"), parsePrefix("2001:db8::5")]);
  for (const text of ["10.255.0.1", "2001:db8::5", "127.0.0.1", "::1"]) {
    assert.equal(isAllowed(parsePrefix(text)), true, text);
  }
  for (const text of ["11.0.0.1", "2001:db8::6", "::2"]) {
    assert.equal(isAllowed(parsePrefix(text)), false, text);
  }
});

Deno.test("OnLinkSources reads the interfaces anew for an unknown source, once a second at most", () => {
  const time = createTestTime();
  let reads = 0;
  let own = [eth0];
  const sources = new OnLinkSources(() => (reads++, own), time);
  const isAllowed = (source: AddressPrefix) => sources.isAllowed(source);
  const late = parsePrefix("10.0.0.1");
  assert.equal(reads, 0, "a start doesn't wait for it");
  sources.read();
  assert.equal(isAllowed(late), false);
  assert.equal(reads, 2);
  own = [eth0, { address: "10.0.0.7", cidr: "10.0.0.7/8" }];
  time.pass(999);
  for (let i = 0; i < 100; i++) assert.equal(isAllowed(late), false);
  assert.equal(reads, 2);
  time.pass(1);
  assert.equal(isAllowed(late), true);
  assert.equal(reads, 3);
  time.pass(29_999);
  assert.equal(isAllowed(late), true);
  assert.equal(reads, 3);
});

Deno.test("OnLinkSources forgets a network that is gone after 30 s", () => {
  const time = createTestTime();
  let own = [eth0];
  const sources = new OnLinkSources(() => own, time);
  const isAllowed = (source: AddressPrefix) => sources.isAllowed(source);
  const source = parsePrefix("192.0.2.1");
  assert.equal(isAllowed(source), true);
  own = [];
  time.pass(29_999);
  assert.equal(isAllowed(source), true);
  time.pass(1);
  assert.equal(isAllowed(source), false);
});

Deno.test("OnLinkSources has one timer while datagrams come, and none when it is closed", () => {
  const time = createTestTime();
  const sources = new OnLinkSources(() => [eth0], time);
  assert.equal(time.timers, 0, "before the first datagram");
  for (let i = 0; i < 100; i++) {
    sources.isAllowed(parsePrefix("10.0.0.1"));
    assert.equal(time.timers, 1);
    time.pass(1_000);
  }
  time.pass(30_000);
  assert.equal(time.timers, 0, "when no more come");
  sources.isAllowed(parsePrefix("192.0.2.1"));
  sources.close();
  assert.equal(time.timers, 0);
});

Deno.test("OnLinkSources keeps the last networks while the interfaces can't be read", () => {
  const time = createTestTime();
  let broken = false;
  const sources = new OnLinkSources(() => {
    if (broken) throw new Error("Too many open files");
    return [eth0];
  }, time);
  const isAllowed = (source: AddressPrefix) => sources.isAllowed(source);
  sources.read();
  broken = true;
  assert.equal(isAllowed(parsePrefix("192.0.2.1")), true, "the first datagram");
  time.pass(60_000);
  assert.equal(isAllowed(parsePrefix("192.0.2.1")), true);
});

Deno.test("OnLinkSources understands the interfaces of this machine", () => {
  const isAllowed = onLink(Deno.networkInterfaces());
  for (const own of Deno.networkInterfaces()) {
    const source = parseSource(own.address);
    assert.ok(source !== null && isAllowed(source), own.address);
  }
});

Deno.test("parseSource() unmaps IPv4 and leaves the zone out", () => {
  assert.deepEqual(parseSource("::ffff:192.0.2.1"), parsePrefix("192.0.2.1"));
  assert.deepEqual(parseSource("fe80::1%eth0"), parsePrefix("fe80::1"));
  assert.equal(parseSource("example"), null);
});
