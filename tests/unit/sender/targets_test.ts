import fc from "fast-check";
import assert from "node:assert/strict";
import { ownLinkLayerAddresses } from "../../../lib/sender/own_link_layer.ts";
import { NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { learnLinkLayerAddresses } from "../../../lib/sender/own_ports.ts";
import {
  chooseTargets,
  mayAnswerFrom,
  parseHost,
  uniquePrefixes,
} from "../../../lib/sender/targets.ts";
import { formatPrefix, networkOf } from "../../../lib/wire/addresses.ts";
import { interfaces, prefix, router } from "./helpers.ts";

const hosts: [text: string, hostname: string, address: string | null][] = [
  ["192.0.2.9", "192.0.2.9", "192.0.2.9"],
  ["192.0.2.255", "192.0.2.255", "192.0.2.255"],
  ["192.0.2.0/24", "192.0.2.255", "192.0.2.255"],
  ["10.0.0.0/30", "10.0.0.3", "10.0.0.3"],
  ["2001:DB8:0::7", "2001:db8::7", "2001:db8::7"],
  ["::ffff:192.0.2.9", "192.0.2.9", "192.0.2.9"],
  ["fe80::1%e0", "fe80::1%e0", "fe80::1"],
  ["ff02::1%e0", "ff02::1%e0", "ff02::1"],
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
  ["ff02::1", '"ff02::1" is link-local: append the interface, as in ff02::1%eth0'],
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
  const { groups, faults } = chooseTargets(
    { all: true, interfaceNames: [], hosts: [], ...options },
    machine,
  );
  const shown = groups.map(({ targets }) =>
    targets.map(({ hostname, interfaceNames, named, source }) =>
      [hostname, ...interfaceNames, ...named ? ["named"] : [], ...source ? [`from ${source}`] : []]
        .join(" ")
    )
  );
  return { shown, faults };
}

const vmac = "00:00:5e:00:02:34";
const [twin1, twin2] = ["e1 192.0.2.2/24", "e2 192.0.2.3/24 02:00:00:00:00:04"];
/** Where --all goes from these interfaces. */
const choices: [what: string, machine: typeof router, shown: string[], names?: string[]][] = [
  [
    "broadcasts on each link, but not on loopback and tunnels",
    router,
    ["192.0.2.255 e0", "198.51.100.127 e1"],
  ],
  [
    "has networks of two addresses hear the limited broadcast, and leaves out lone ones",
    interfaces("e0 10.0.0.0/31", "e0 10.0.1.1/32", "e1 10.0.2.1/30"),
    ["255.255.255.255 e0 from 10.0.0.0", "10.0.2.3 e1"],
  ],
  [
    "asks all nodes of a link that has IPv6 alone",
    interfaces("e0 fe80::2/64", "e0 2001:db8::2/64"),
    ["ff02::1%e0 e0"],
  ],
  [
    "broadcasts once in a network that an interface has two addresses of",
    interfaces("e0 192.0.2.2/24", "e0 192.0.2.3/24"),
    ["192.0.2.255 e0"],
  ],
  [
    "sends from the own address where two links have one network",
    interfaces(twin1, twin2),
    ["255.255.255.255 e1 from 192.0.2.2", "255.255.255.255 e2 from 192.0.2.3"],
  ],
  [
    "sends from the own address of a link that is named, where another has its network",
    interfaces(twin1, twin2),
    ["255.255.255.255 e2 from 192.0.2.3"],
    ["e2"],
  ],
];
for (const [what, machine, shown, interfaceNames = []] of choices) {
  Deno.test(`chooseTargets() ${what}`, () => {
    const groups = shown.map((one) => [one]);
    assert.deepEqual(choose({ interfaceNames }, machine), { shown: groups, faults: [] });
  });
}

/** What hosts on the one link of these interfaces are asked about. */
const asked: [what: string, machine: typeof router, addresses: string[]][] = [
  [
    "doesn't ask about a link-local address that a virtual router's interface copies",
    interfaces(
      ...["e0 192.0.2.2/24", "e0 fe80::2/64", "e0 fe80::3/64"],
      ...[`vrrp.52 fe80::2/64 ${vmac}`, `vrrp.52 2001:db8::1/128 ${vmac}`],
    ),
    ["192.0.2.2", "2001:db8::1", "fe80::3"],
  ],
  [
    "takes a virtual router's interface for one more on its network's link",
    interfaces(`vrrp.51 192.0.2.1/24 ${vmac}`, "e0 192.0.2.2/24"),
    ["192.0.2.2", "192.0.2.1"],
  ],
];
for (const [what, machine, addresses] of asked) {
  Deno.test(`chooseTargets() ${what}`, () => {
    const { groups } = chooseTargets({ all: true, interfaceNames: [], hosts: [] }, machine);
    assert.deepEqual(groups.map((group) => group.addresses.map(formatPrefix)), [addresses]);
    assert.deepEqual(groups[0].targets.map(({ hostname }) => hostname), ["192.0.2.255"]);
  });
}

Deno.test("chooseTargets() says which interfaces can't be used, and uses the others", () => {
  assert.deepEqual(choose({ interfaceNames: ["e0", "e9", "tun0", "lo"] }), {
    shown: [["192.0.2.255 e0"]],
    faults: [
      'No interface "e9" with an address; those with a broadcast address: e0, e1',
      'Interface "tun0" has no broadcast address; those that have one: e0, e1',
      'Interface "lo" has no broadcast address; those that have one: e0, e1',
    ],
  });
});

Deno.test("chooseTargets() says when no interface can broadcast", () => {
  const fault = "No interface has a broadcast address";
  assert.deepEqual(choose({}, []), { shown: [], faults: [fault] });
  assert.deepEqual(choose({ interfaceNames: ["e0"] }, []).faults, [
    'No interface "e0" with an address; those with a broadcast address: none',
  ]);
});

Deno.test("chooseTargets() adds hosts, each once whatever its case, and knows them as named", () => {
  const named = ["192.0.2.255", "web1", "WEB1", "fe80::7%e1", "ff02::1%e0"].map(parseHost);
  assert.deepEqual(choose({ all: false, hosts: named }).shown, [[
    "192.0.2.255 named",
    "WEB1 named",
    "fe80::7%e1 e1 named",
    "ff02::1%e0 e0 named",
  ]]);
  assert.equal(choose({ hosts: named }).shown.length, 3);
});

Deno.test("uniquePrefixes() tells an address from its network and keeps the order", () => {
  const given = ["192.0.2.0/24", "192.0.2.0", "::1", "192.0.2.0/24", "::1"].map(prefix);
  assert.deepEqual(uniquePrefixes(given).map(formatPrefix), ["192.0.2.0/24", "192.0.2.0", "::1"]);
});

Deno.test("ownLinkLayerAddresses() knows those of all interfaces, and whose nobody tells", () => {
  const mac = (last: string) => Uint8Array.fromHex(`0200000000${last}`);
  const e0 = ["e0 192.0.2.2/24", "e0 192.0.2.1/32"];
  const machine = interfaces(...e0, "e1:vip 198.51.100.1/24", "vip 203.0.113.1/32");
  const isOwn = ownLinkLayerAddresses(machine);
  const [vip, untold, label] = ["192.0.2.1", "198.51.100.1", "203.0.113.1"].map(prefix);
  assert.equal(isOwn(mac("02"), vip), true);
  assert.equal(isOwn(mac("01"), vip), false);
  assert.equal(isOwn(mac("02"), untold), true);
  assert.equal(isOwn(mac("01"), untold), null);
  assert.equal(isOwn(mac("01"), label), null);
  assert.equal(
    ownLinkLayerAddresses(interfaces(...e0, "vip 203.0.113.1/32"))(mac("01"), label),
    false,
  );
});

Deno.test("ownLinkLayerAddresses() knows what was learned, and nobody's while that failed", () => {
  const learned = { known: new Set(["020000000007"]), failed: false };
  const isOwn = ownLinkLayerAddresses(router, learned);
  const told = () =>
    ["020000000007", "020000000099", "00005e000199"].map((mac) =>
      isOwn(Uint8Array.fromHex(mac), prefix("192.0.2.1"))
    );
  assert.deepEqual(told(), [true, false, false]);
  learned.failed = true;
  assert.deepEqual(told(), [true, null, false]);
});

/** Link-layer addresses of entries that were set, by links 0 (e0), 1 (e1) and 2 (e2, e0's twin). */
const setEntries: [
  mac: string,
  address: string,
  links: number[],
  from: string,
  own: boolean | null,
][] = [
  ["020000000002", "192.0.2.2", [0], "192.0.2.20", true],
  ["020000000002", "198.51.100.2", [1], "198.51.100.20", false],
  ["020000000003", "192.0.2.2", [0], "192.0.2.20", false],
  ["00005e000133", "192.0.2.1", [0], "192.0.2.20", true],
  ["00005e000133", "192.0.2.1", [2], "192.0.2.20", true],
  ["00005e000133", "198.51.100.2", [1], "198.51.100.20", false],
  // On both links; heard on one of them alone; by a network on its own link that holds both.
  ["020000000003", "192.0.2.2", [0, 1], "192.0.2.20", false],
  ["020000000003", "198.51.100.2", [0, 1], "192.0.2.20", true],
  ["020000000003", "198.51.100.2", [0], "192.0.2.20", true],
  ["020000000002", "198.51.100.2", [0], "192.0.2.20", true],
  // Two interfaces on one link; or on two with one network, on which a host may be and not be heard.
  ["020000000004", "192.0.2.2", [0, 2], "192.0.2.20", true],
  ["020000000004", "192.0.2.2", [0], "192.0.2.20", true],
  // An address of no link's; interfaces that are on none, or have one link-layer address on several.
  ["020000000002", "203.0.113.1", [0], "192.0.2.20", true],
  ["020000000003", "203.0.113.1", [0], "192.0.2.20", true],
  ["020000000005", "192.0.2.2", [0], "192.0.2.20", true],
  ["020000000006", "192.0.2.2", [0], "192.0.2.20", true],
  ["020000000007", "192.0.2.2", [0], "192.0.2.20", true],
  // Named hosts are where their addresses are; nobody knows of those behind routers.
  ["020000000002", "192.0.2.2", [5], "192.0.2.20", true],
  ["020000000003", "192.0.2.2", [5], "192.0.2.20", false],
  ["020000000003", "192.0.2.2", [5], "10.0.0.1", true],
  ["020000000099", "192.0.2.2", [0], "192.0.2.20", false],
];
for (const [mac, address, links, from, own] of setEntries) {
  Deno.test(`ownLinkLayerAddresses(): ${mac} set for ${address} by ${from} of links ${links} is own: ${own}`, () => {
    const machine = interfaces(
      "e0 192.0.2.2/24",
      "e1 198.51.100.2/24",
      "e2 192.0.2.3/24 02:00:00:00:00:04",
      "nowhere 203.0.113.1/32 02:00:00:00:00:05",
      "e3 10.3.0.1/24 02:00:00:00:00:06",
      "e3.7 192.0.2.9/32 02:00:00:00:00:06",
      "vrrp.51 192.0.2.1/24 00:00:5e:00:01:33",
      "port fe80::7/64 02:00:00:00:00:07",
    );
    const everywhere = chooseTargets({ all: true, interfaceNames: [], hosts: [] }, machine).links;
    const isOwn = ownLinkLayerAddresses(machine, undefined, everywhere);
    const place = { links: new Set(links), addresses: [from] };
    assert.equal(isOwn(Uint8Array.fromHex(mac), prefix(address), place), own);
  });
}

/** A virtual router's interface, and whether its link-layer address leads to this machine. */
const virtualRouters: [addresses: string[], isMaster: boolean][] = [
  [["fe80::2/64"], false],
  [["fe80::2/64", "fe80::5:1/128"], true],
  [["fe80::2/64", "2001:db8::1/128"], true],
  // The owner of the address (RFC 9568, section 1.7) has it below, too.
  [["192.0.2.2/32"], true],
];
for (const [addresses, isMaster] of virtualRouters) {
  Deno.test(`ownLinkLayerAddresses(): a vmac with ${addresses} is own: ${isMaster}`, () => {
    const isOwn = ownLinkLayerAddresses(interfaces(
      "e0 192.0.2.2/24",
      "e0 fe80::2/64",
      ...addresses.map((address) => `vrrp.52 ${address} 00:00:5e:00:02:34`),
    ));
    assert.equal(isOwn(Uint8Array.fromHex("00005e000234"), prefix("192.0.2.2")), isMaster);
  });
}

Deno.test("learnLinkLayerAddresses() takes ports and what has an address, but no virtual router's", async () => {
  const row = (address: string, more = {}) => ({ link_type: "ether", address, ...more });
  const addr_info = [{ local: "192.0.2.2" }];
  const rows = [
    row("02:00:00:00:00:01", { master: "bond0", addr_info: [] }),
    row("02:00:00:00:00:02", { addr_info }),
    row("02:00:00:00:00:03", { addr_info: [] }),
    row("00:00:5e:00:01:34", { addr_info }),
    { link_type: "loopback", address: "00:00:00:00:00:00", addr_info },
    { link_type: "ether", master: "br0" },
  ];
  const learn = async (stdout: string, code = 0) => {
    const learned = { known: new Set<string>(), failed: false };
    const ip = () => Promise.resolve({ code, stdout, stderr: "" });
    return { reason: await learnLinkLayerAddresses(learned, ip), ...learned };
  };
  const none = new Set();
  assert.deepEqual(await learn(JSON.stringify(rows)), {
    reason: null,
    known: new Set(["020000000001", "020000000002"]),
    failed: false,
  });
  const unread = 'Cannot read the output of "ip": no JSON: none';
  assert.deepEqual(await learn("none"), { reason: unread, known: none, failed: true });
  const { reason, failed } = await learn("", 1);
  assert.match(reason ?? "", /it ended with code 1$/);
  assert.ok(failed);
});

Deno.test("learnLinkLayerAddresses() has stuck hosts called so where there is no ip at all", async () => {
  for (const [code, failed] of [[2, false], [13, true], [110, true]] as const) {
    const learned = { known: new Set<string>(), failed: false };
    const ip = () => Promise.reject(new NeighborCacheError("Cannot run it", code));
    assert.equal(await learnLinkLayerAddresses(learned, ip), "Cannot run it");
    assert.equal(learned.failed, failed);
  }
});

Deno.test("mayAnswerFrom() takes the hosts of a network whose broadcast address is named", () => {
  const mayAnswer = (host: string | null, source: string) => {
    const hosts = host === null ? [] : [parseHost(host)];
    const { groups } = chooseTargets({ all: host === null, interfaceNames: [], hosts }, router);
    return mayAnswerFrom(prefix(source), groups.flatMap(({ targets }) => targets));
  };
  assert.ok(mayAnswer("192.0.2.255", "192.0.2.20"));
  assert.ok(!mayAnswer("192.0.2.255", "198.51.100.20"));
  assert.ok(mayAnswer("198.51.100.127", "198.51.100.20"));
  assert.ok(mayAnswer("255.255.255.255", "192.0.2.20"));
  assert.ok(mayAnswer("255.255.255.255", "198.51.100.20"));
  assert.ok(!mayAnswer("255.255.255.255", "203.0.113.20"));
  // Behind a router: only its network says who is meant.
  assert.ok(!mayAnswer("203.0.113.255", "203.0.113.20"));
  assert.ok(mayAnswer("203.0.113.0/24", "203.0.113.20"));
  // From a link-local address hosts answer what went to all of an interface.
  assert.ok(mayAnswer(null, "fe80::20"));
  assert.ok(!mayAnswer("192.0.2.20", "fe80::20"));
  assert.ok(mayAnswer("fe80::20%e0", "fe80::20"));
  assert.ok(!mayAnswer("fe80::20%e0", "fe80::21"));
  assert.ok(mayAnswer("192.0.2.20", "192.0.2.20"));
  assert.ok(!mayAnswer("192.0.2.20", "192.0.2.21"));
});
