import fc from "fast-check";
import assert from "node:assert/strict";
import { BlockList, isIPv4, isIPv6 } from "node:net";
import {
  addressBits,
  formatAddress,
  formatLinkLayerAddress,
  formatPrefix,
  hasHostBits,
  isLinkLocal,
  isWholeAddress,
  networkOf,
  ownInterfaces,
  parseAddress,
  parseLinkLayerAddress,
  parsePrefix,
  prefixContains,
  prefixOf,
  samePrefix,
  unmapIpv4,
} from "../../../lib/wire/addresses.ts";
import { interfaces, router } from "../sender/helpers.ts";
import { addressPrefix } from "./arbitraries.ts";

const hex = (text: string) => parseAddress(text)?.bytes.toHex();

Deno.test("parseAddress() reads both families", () => {
  assert.equal(hex("192.0.2.1"), "c0000201" + "00".repeat(12));
  assert.equal(hex("255.255.255.255"), "ffffffff" + "00".repeat(12));
  assert.equal(hex("::"), "00".repeat(16));
  assert.equal(hex("2001:DB8::1"), "20010db8000000000000000000000001");
  assert.equal(hex("1:2:3:4:5:6:7:8"), "00010002000300040005000600070008");
  assert.equal(hex("64:ff9b::192.0.2.1"), "0064ff9b0000000000000000c0000201");
  assert.equal(parseAddress("::ffff:192.0.2.1")?.family, 4);
});

const wrongAddresses = [
  ...["", "192.0.2", "192.0.2.256", "192.0.02.1", "192.0.2.1.", "1.2.3.4.5", "0x7f.0.0.1", "1"],
  ...[
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "fe80::1%eth0",
    "g::",
  ],
  ...["[::1]", "::1]", "::1/128", " ::1", "localhost", "192.0.2.1 ", "١.2.3.4", "::1#"],
  // What the parser of URLs would take: white space inside, and a text that leaves the brackets.
  ...["::1\n", ":\t:1", "::1]:80/[", "::1]/["],
];
for (const text of wrongAddresses) {
  Deno.test(`parseAddress() refuses ${JSON.stringify(text)}`, () => {
    assert.equal(parseAddress(text), null);
  });
}

Deno.test("parseAddress() agrees with the runtime's own parser on random text", () => {
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom(..."0123456789abcdef:.") }),
  );
  fc.assert(
    fc.property(text, (text) => {
      assert.equal(parseAddress(text) !== null, isIPv4(text) || isIPv6(text), text);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("formatAddress() and parseAddress() are a round trip", () => {
  fc.assert(fc.property(addressPrefix, (prefix) => {
    const address = unmapIpv4({ ...prefix, length: addressBits(prefix.family) });
    const parsed = parseAddress(formatAddress(address));
    assert.ok(parsed !== null && samePrefix(parsed, address), formatAddress(address));
  }));
});

Deno.test("formatAddress() writes IPv6 as RFC 5952 wants it", () => {
  for (
    const [text, canonical] of [
      ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
      ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
      ["0:0:0:0:0:0:0:0", "::"],
      ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ]
  ) assert.equal(formatAddress(parsePrefix(text)), canonical);
});

Deno.test("prefixOf() makes what parsePrefix() reads", () => {
  assert.deepEqual(prefixOf(4, 8, 127), parsePrefix("127.0.0.0/8"));
  assert.deepEqual(prefixOf(6, 10, 0xfe, 0x80), parsePrefix("fe80::/10"));
  assert.deepEqual(prefixOf(6, 128, ...Array(15).fill(0), 1), parsePrefix("::1"));
});

Deno.test("formatPrefix() and parsePrefix() are a round trip", () => {
  fc.assert(fc.property(addressPrefix, (prefix) => {
    // An IPv4-mapped text is IPv4 by intention; the prefix form keeps what it says.
    fc.pre(unmapIpv4({ ...prefix, length: addressBits(prefix.family) }).family === prefix.family);
    assert.ok(samePrefix(parsePrefix(formatPrefix(prefix)), prefix), formatPrefix(prefix));
  }));
});

const wrongPrefixes: [string, RegExp][] = [
  ["10.0.0.5/24", /^"10\.0\.0\.5\/24" has host bits set; the network is 10\.0\.0\.0\/24$/],
  ["2001:db8::1/64", /the network is 2001:db8::\/64$/],
  ["10.0.0.0/33", /^"10\.0\.0\.0\/33" has a prefix length outside 0 to 32$/],
  ["::/129", /outside 0 to 128$/],
  ["10.0.0.0/", /prefix length/],
  ["10.0.0.0/08", /prefix length/],
  ["10.0.0.0/-1", /prefix length/],
  ["10.0.0.0/8/8", /prefix length/],
  ["router1", /^"router1" is not an IPv4 or IPv6 address or prefix$/],
  ["/8", /is not an IPv4/],
];
for (const [text, message] of wrongPrefixes) {
  Deno.test(`parsePrefix() refuses ${text}`, () => {
    assert.throws(() => parsePrefix(text), { message });
  });
}

Deno.test("prefixContains() agrees with the runtime's own block list", () => {
  fc.assert(fc.property(addressPrefix, addressPrefix, fc.boolean(), (prefix, other, inside) => {
    const bits = addressBits(prefix.family);
    const bytes = prefix.bytes.slice();
    if (inside) bytes[bits / 8 - 1] ^= prefix.length < bits ? 1 : 0;
    const address = inside
      ? { ...prefix, length: bits, bytes }
      : { ...other, length: addressBits(other.family) };
    fc.pre(unmapIpv4(address).family === address.family && prefix.length > 0);
    const list = new BlockList();
    const type = prefix.family === 4 ? "ipv4" : "ipv6";
    list.addSubnet(formatAddress(prefix), prefix.length, type);
    const expected = list.check(formatAddress(address), address.family === 4 ? "ipv4" : "ipv6");
    assert.equal(prefixContains(prefix, address), expected);
  }));
});

Deno.test("prefixContains() knows shorter from longer, and the families apart", () => {
  assert.ok(prefixContains(parsePrefix("10.0.0.0/8"), parsePrefix("10.1.0.0/16")));
  assert.equal(prefixContains(parsePrefix("10.0.0.0/24"), parsePrefix("10.0.0.0/8")), false);
  assert.equal(prefixContains(parsePrefix("::/0"), parsePrefix("10.0.0.1")), false);
  assert.ok(prefixContains(parsePrefix("0.0.0.0/0"), parsePrefix("10.0.0.1")));
});

Deno.test("unmapIpv4() takes an IPv4-mapped whole address for IPv4, and nothing like it", () => {
  const parsed = (text: string) => {
    const address = parseAddress(text);
    assert.ok(address !== null, text);
    return address;
  };
  assert.equal(formatAddress(parsed("::ffff:c000:201")), "192.0.2.1");
  for (
    const like of [
      "::c000:201",
      "::ff:c000:201",
      "::ff00:c000:201",
      "::fffe:c000:201",
      "1::ffff:c000:201",
      "::1:ffff:c000:201",
      "::ffff:0:c000:201",
    ]
  ) assert.equal(parsed(like).family, 6, like);
  const mapped = new Uint8Array(16).fill(0xff, 10, 12);
  const prefix = { family: 6, length: 96, bytes: mapped } as const;
  assert.equal(unmapIpv4(prefix), prefix);
});

Deno.test("samePrefix() asks for family, length and bytes", () => {
  const same = (a: string, b: string) => samePrefix(parsePrefix(a), parsePrefix(b));
  assert.ok(same("192.0.2.0/24", "192.0.2.0/24"));
  assert.ok(same("2001:db8::1", "2001:0db8::1"));
  assert.ok(!same("192.0.2.0/24", "192.0.2.0/25"));
  assert.ok(!same("192.0.2.0/25", "192.0.2.0/24"));
  assert.ok(!same("192.0.2.0/24", "192.0.3.0/24"));
  assert.ok(!same("0.0.0.0/0", "::/0"));
});

Deno.test("formatPrefix() leaves the length out for a whole address alone", () => {
  for (const text of ["192.0.2.1", "2001:db8::1", "192.0.2.0/31", "::/127"]) {
    assert.equal(formatPrefix(parsePrefix(text)), text);
  }
});

Deno.test("hasHostBits() looks behind an IPv4 address too", () => {
  const address = parsePrefix("10.0.0.1");
  const bytes = address.bytes.slice();
  bytes[4] = 1;
  assert.ok(hasHostBits({ ...address, bytes }));
  assert.equal(hasHostBits(address), false);
});

Deno.test("networkOf() and isWholeAddress()", () => {
  const network = networkOf(parsePrefix("10.1.2.3"), 20);
  assert.equal(formatPrefix(network), "10.1.0.0/20");
  assert.equal(isWholeAddress(network), false);
  assert.ok(isWholeAddress(parsePrefix("::1")));
});

Deno.test("ownInterfaces() puts the addresses of each interface together", () => {
  const shown = router.map(({ name, hasNeighbors, linkLayerAddress, addresses }) => [
    name,
    hasNeighbors,
    linkLayerAddress && formatLinkLayerAddress(linkLayerAddress),
    addresses.map(({ address, network }) => `${formatPrefix(address)} ${formatPrefix(network)}`),
  ]);
  assert.deepEqual(shown, [
    ["lo", false, null, ["127.0.0.1 127.0.0.0/8", "::1 ::1"]],
    ["e0", true, "02:00:00:00:00:02", [
      "192.0.2.2 192.0.2.0/24",
      "192.0.2.1 192.0.2.1",
      "fe80::2 fe80::/64",
      "2001:db8::2 2001:db8::/64",
    ]],
    ["e1", true, "02:00:00:00:01:02", ["198.51.100.2 198.51.100.0/25", "fe80::12 fe80::/64"]],
    ["tun0", false, null, ["10.8.0.1 10.8.0.0/24"]],
  ]);
});

Deno.test("ownInterfaces() gives a labelled address to the interface before the colon", () => {
  const [e0, ...others] = interfaces("e0 192.0.2.2/24", "e0:vip 192.0.2.1/32");
  assert.deepEqual(others, []);
  assert.equal(e0.addresses.length, 2);
  assert.equal(e0.linkLayerAddress?.toHex(), "020000000002");
});

Deno.test("ownInterfaces() knows neighbors, but no own address, behind labels alone", () => {
  const [e0] = interfaces("e0:vip 192.0.2.1/24");
  assert.equal(e0.hasNeighbors, true);
  assert.equal(e0.linkLayerAddress, null);
});

Deno.test("ownInterfaces() knows no neighbors of a loopback with a card's address, or of a labelled tunnel", () => {
  const [lo] = interfaces("lo 127.0.0.1/8 02:00:00:00:00:02", "lo 192.0.2.9/32 02:00:00:00:00:02");
  assert.equal(lo.hasNeighbors, false);
  const [tunnel] = interfaces("tun0 10.8.0.1/24", "tun0:vip 10.8.0.2/32");
  assert.equal(tunnel.hasNeighbors, false);
});

Deno.test("isLinkLocal() is about fe80::/10 alone", () => {
  const texts = ["fe80::1", "febf::1", "fec0::1", "169.254.0.1", "2001:db8::1"];
  assert.deepEqual(texts.map((text) => isLinkLocal(parsePrefix(text))), [
    ...[true, true, false, false, false],
  ]);
});

Deno.test("ownInterfaces() leaves out what has no address or no usable prefix length", () => {
  const line = { name: "e0", mac: "02:00:00:00:00:02" };
  const infos = [
    { ...line, address: "192.0.2.1", cidr: "192.0.2.1/x" },
    { ...line, address: "192.0.2.2", cidr: "192.0.2.2/33" },
    { ...line, address: "no address", cidr: "no address/24" },
    { ...line, address: "192.0.2.3", cidr: "192.0.2.3/32" },
  ];
  const [{ addresses }] = ownInterfaces(infos);
  assert.deepEqual(addresses.map(({ network }) => formatPrefix(network)), ["192.0.2.3"]);
});

Deno.test("parseLinkLayerAddress() and formatLinkLayerAddress() are a round trip", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
    const text = formatLinkLayerAddress(bytes);
    assert.match(text, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    assert.deepEqual(parseLinkLayerAddress(text), bytes);
    assert.deepEqual(parseLinkLayerAddress(text.toUpperCase().replaceAll(":", "-")), bytes);
  }));
  for (
    const wrong of [
      "",
      "02:00:00:00:00",
      "02:00:00:00:00:01:02",
      "2:0:0:0:0:1",
      "g2:00:00:00:00:01",
    ]
  ) {
    assert.equal(parseLinkLayerAddress(wrong), null);
  }
});
