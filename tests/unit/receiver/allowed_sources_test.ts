import assert from "node:assert/strict";
import { allowNetworks, createOnLinkSources, parseSource } from "../../../lib/receiver/accept.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { address, testTime } from "./helpers.ts";

const eth0 = { address: "192.0.2.7", cidr: "192.0.2.7/24" };
const linkLocal = { address: "fe80::1%eth0", cidr: "fe80::1%eth0/64" };

/** The check of a host with these addresses. */
function onLink(own: ReturnType<Parameters<typeof createOnLinkSources>[0]>) {
  const { clock, after } = testTime();
  return createOnLinkSources(() => own, clock.monotonic, after).isAllowed;
}

Deno.test("createOnLinkSources() allows the networks of own addresses and loopback, nothing else", () => {
  const isAllowed = onLink([eth0, linkLocal]);
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

Deno.test("createOnLinkSources() reads the interfaces anew for an unknown source, once a second at most", () => {
  const time = testTime();
  let reads = 0;
  let own = [eth0];
  const { isAllowed, read } = createOnLinkSources(
    () => (reads++, own),
    time.clock.monotonic,
    time.after,
  );
  const late = address("10.0.0.1");
  assert.equal(reads, 0, "a start doesn't wait for it");
  read();
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

Deno.test("createOnLinkSources() forgets a network that is gone after 30 s", () => {
  const time = testTime();
  let own = [eth0];
  const { isAllowed } = createOnLinkSources(() => own, time.clock.monotonic, time.after);
  const source = address("192.0.2.1");
  assert.equal(isAllowed(source), true);
  own = [];
  time.pass(29_999);
  assert.equal(isAllowed(source), true);
  time.pass(1);
  assert.equal(isAllowed(source), false);
});

Deno.test("createOnLinkSources() has one timer while datagrams come, and none when it is closed", () => {
  const time = testTime();
  const sources = createOnLinkSources(() => [eth0], time.clock.monotonic, time.after);
  assert.equal(time.timers, 0, "before the first datagram");
  for (let i = 0; i < 100; i++) {
    sources.isAllowed(address("10.0.0.1"));
    assert.equal(time.timers, 1);
    time.pass(1_000);
  }
  time.pass(30_000);
  assert.equal(time.timers, 0, "when no more come");
  sources.isAllowed(address("192.0.2.1"));
  sources.close();
  assert.equal(time.timers, 0);
});

Deno.test("createOnLinkSources() allows an own address that is alone in its network", () => {
  const alone = { address: "192.0.2.9", cidr: "192.0.2.9/32" };
  const isAllowed = onLink([alone]);
  assert.equal(isAllowed(address("192.0.2.9")), true);
  assert.equal(isAllowed(address("192.0.2.8")), false);
});

Deno.test("createOnLinkSources() leaves out an own address that it can't read, and takes the others", () => {
  const odd = [
    { address: "eth1", cidr: "eth1/0" },
    { address: "10.0.0.7", cidr: "10.0.0.7" },
    { address: "10.0.0.7", cidr: "10.0.0.7/33" },
    { address: "2001:db8::7", cidr: "2001:db8::7/129" },
    eth0,
  ];
  const isAllowed = onLink(odd);
  assert.equal(isAllowed(address("192.0.2.1")), true);
  for (const text of ["10.0.0.7", "10.0.0.8", "203.0.113.1", "2001:db8::7", "2001:db8::8"]) {
    assert.equal(isAllowed(address(text)), false, text);
  }
});

Deno.test("createOnLinkSources() keeps the last networks while the interfaces can't be read", () => {
  const time = testTime();
  let broken = false;
  const { isAllowed, read } = createOnLinkSources(
    () => {
      if (broken) throw new Error("Too many open files");
      return [eth0];
    },
    time.clock.monotonic,
    time.after,
  );
  read();
  broken = true;
  assert.equal(isAllowed(address("192.0.2.1")), true, "the first datagram");
  time.pass(60_000);
  assert.equal(isAllowed(address("192.0.2.1")), true);
});

Deno.test("createOnLinkSources() understands the interfaces of this machine", () => {
  const isAllowed = onLink(Deno.networkInterfaces());
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
