import fc from "fast-check";
import assert from "node:assert/strict";
import {
  chooseTargets,
  defaultAddresses,
  interfacesOf,
  Ownership,
  parseHost,
  uniquePrefixes,
} from "../../../lib/sender/targets.ts";
import { formatPrefix, networkOf } from "../../../lib/wire/addresses.ts";
import { interfaces, mac, prefix, router } from "./helpers.ts";

const hosts: [text: string, hostname: string, address: string | null][] = [
  ["192.0.2.9", "192.0.2.9", "192.0.2.9"],
  ["192.0.2.255", "192.0.2.255", "192.0.2.255"],
  ["192.0.2.0/24", "192.0.2.255", "192.0.2.255"],
  ["10.0.0.0/30", "10.0.0.3", "10.0.0.3"],
  ["2001:DB8:0::7", "2001:db8::7", "2001:db8::7"],
  ["::ffff:192.0.2.9", "192.0.2.9", "192.0.2.9"],
  ["fe80::1%e0", "fe80::1%e0", "fe80::1"],
  ["web1", "web1", null],
  ["web-1.Example.org.", "web-1.Example.org.", null],
  ["_x.büro", "_x.büro", null],
  ["1and1.example", "1and1.example", null],
];
for (const [text, hostname, address] of hosts) {
  Deno.test(`parseHost() reads "${text}"`, () => {
    const target = parseHost(text);
    assert.equal(target.hostname, hostname);
    assert.equal(target.address && formatPrefix(target.address), address);
    assert.equal(target.named, true);
    assert.deepEqual(target.interfaceNames, text.includes("%") ? ["e0"] : []);
  });
}

const wrongHosts: [string, string][] = [
  ["", '"" is neither an address nor a host name'],
  ["192.0.2.256", '"192.0.2.256" is neither an address nor a host name'],
  ["192.0.2", '"192.0.2" is neither an address nor a host name'],
  ["010.0.0.1", '"010.0.0.1" is neither an address nor a host name'],
  ["web.0x7f", '"web.0x7f" is neither an address nor a host name'],
  ["web1:27735", '"web1:27735" is neither an address nor a host name'],
  ["[::1]", '"[::1]" is neither an address nor a host name'],
  ["a b", '"a b" is neither an address nor a host name'],
  ["-web", '"-web" is neither an address nor a host name'],
  ["a..b", '"a..b" is neither an address nor a host name'],
  ["fe80::1", '"fe80::1" is link-local: append the interface, as in fe80::1%eth0'],
  ["fe80::1%", '"fe80::1%" is not an IPv6 link-local address with an interface'],
  ["2001:db8::1%e0", '"2001:db8::1%e0" is not an IPv6 link-local address with an interface'],
  ["192.0.2.1/24", '"192.0.2.1/24" has host bits set; the network is 192.0.2.0/24'],
  ["192.0.2.0/31", 'Network "192.0.2.0/31" has no broadcast address'],
  ["192.0.2.1/32", 'Network "192.0.2.1/32" has no broadcast address'],
  ["2001:db8::/64", 'Network "2001:db8::/64" has no broadcast address'],
  ["0.0.0.0/0", 'Network "0.0.0.0/0" has no broadcast address'],
];
for (const [text, message] of wrongHosts) {
  Deno.test(`parseHost() refuses "${text}"`, () => {
    assert.throws(() => parseHost(text), { name: "UsageError", message });
  });
}

Deno.test("parseHost() takes the last address of any network", () => {
  const network = fc.tuple(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.integer({ min: 1, max: 30 }),
  );
  fc.assert(fc.property(network, ([four, length]) => {
    const bytes = new Uint8Array(16);
    bytes.set(four);
    const { bytes: base } = networkOf({ family: 4, length: 32, bytes }, length);
    const last = parseHost(formatPrefix({ family: 4, length, bytes: base })).address;
    const number = (bytes: Uint8Array) => new DataView(bytes.buffer).getUint32(0);
    assert.ok(last !== null);
    assert.equal(number(last.bytes) - number(base), 2 ** (32 - length) - 1);
    assert.deepEqual([last.family, last.length], [4, 32]);
    assert.ok(last.bytes.subarray(4).every((byte) => byte === 0));
  }));
});

function choose(options: Partial<Parameters<typeof chooseTargets>[0]>, machine = router) {
  const { targets, faults } = chooseTargets(
    { all: true, interfaceNames: [], hosts: [], ...options },
    machine,
  );
  const shown = targets.map(({ hostname, interfaceNames, named }) =>
    `${hostname} ${interfaceNames.join("+")}${named ? " named" : ""}`
  );
  return { shown, faults };
}

Deno.test("chooseTargets() broadcasts on each IPv4 network, but not on loopback and tunnels", () => {
  assert.deepEqual(choose({}), { shown: ["192.0.2.255 e0", "198.51.100.127 e1"], faults: [] });
});

Deno.test("chooseTargets() leaves out networks of two addresses and lone addresses", () => {
  const machine = interfaces(
    "e0 10.0.0.0/31 02:00:00:00:00:02",
    "e0 10.0.1.1/32 02:00:00:00:00:02",
    "e1 10.0.2.1/30 02:00:00:00:00:03",
  );
  assert.deepEqual(choose({}, machine).shown, ["10.0.2.3 e1"]);
});

Deno.test("chooseTargets() names a broadcast address once, with all its interfaces", () => {
  const machine = interfaces(
    "e0 192.0.2.2/24 02:00:00:00:00:02",
    "e0 192.0.2.3/24 02:00:00:00:00:02",
    "e1 192.0.2.4/24 02:00:00:00:00:03",
  );
  assert.deepEqual(choose({}, machine).shown, ["192.0.2.255 e0+e1"]);
});

Deno.test("chooseTargets() narrows to named interfaces", () => {
  assert.deepEqual(choose({ interfaceNames: ["e1"] }), {
    shown: ["198.51.100.127 e1"],
    faults: [],
  });
});

Deno.test("chooseTargets() says which interfaces can't be used, and uses the others", () => {
  assert.deepEqual(choose({ interfaceNames: ["e0", "e9", "tun0", "lo"] }), {
    shown: ["192.0.2.255 e0"],
    faults: [
      'No interface "e9" with an address; those with a broadcast address: e0, e1',
      'Interface "tun0" has no IPv4 broadcast address; those that have one: e0, e1',
      'Interface "lo" has no IPv4 broadcast address; those that have one: e0, e1',
    ],
  });
});

Deno.test("chooseTargets() says when no interface can broadcast", () => {
  const fault = "No interface has an IPv4 broadcast address";
  assert.deepEqual(choose({}, []), { shown: [], faults: [fault] });
  assert.deepEqual(choose({ interfaceNames: ["e0"] }, []).faults, [
    'No interface "e0" with an address; those with a broadcast address: none',
  ]);
});

Deno.test("chooseTargets() adds hosts, each once whatever its case, and knows them as named", () => {
  const named = ["192.0.2.255", "web1", "WEB1", "fe80::7%e1"].map(parseHost);
  assert.deepEqual(choose({ hosts: named }).shown, [
    "192.0.2.255 e0 named",
    "198.51.100.127 e1",
    "WEB1  named",
    "fe80::7%e1 e1 named",
  ]);
  assert.deepEqual(choose({ all: false, hosts: named.slice(0, 1) }).shown, ["192.0.2.255  named"]);
});

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

Deno.test("Ownership knows the link-layer addresses of all interfaces", () => {
  const own = new Ownership(router, false);
  assert.ok(own.isOwn(mac("02:00:00:00:00:02")));
  assert.ok(own.isOwn(mac("02:00:00:00:01:02")));
  assert.ok(!own.isOwn(mac("02:00:00:00:00:01")));
  assert.ok(!own.isOwn(mac("00:00:00:00:00:00")));
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
    assert.equal(new Ownership(router, false).isJudged(prefix(address), source), byDefault);
    assert.equal(new Ownership(router, true).isJudged(prefix(address), source), ifNamed);
  });
}

Deno.test("isJudged() doesn't judge by a link-layer address that isn't known", () => {
  const own = new Ownership(interfaces("e0:vip 192.0.2.1/24"), true);
  assert.equal(own.isJudged(prefix("192.0.2.1"), "192.0.2.7"), false);
});
