import assert from "node:assert/strict";
import { ExpectedHosts, parseExpectedHosts } from "../../../lib/sender/expectation.ts";
import { formatKey } from "../../../lib/wire/keys.ts";

/** The base point, a key that nobody is refused. */
const point = Uint8Array.fromHex(`58${"66".repeat(31)}`);
const pin = formatKey("host", point);
const key = point.toHex();
const other = "ab".repeat(32);
const host = (name: string, address = "192.0.2.99", key = other) => ({
  key,
  name,
  addresses: new Set([address]),
});

/** Who stands for which line of a file, and what is missing, by labels. */
function called(text: string, hosts: readonly ReturnType<typeof host>[]) {
  const { present, missing, impostors } = new ExpectedHosts(parseExpectedHosts(text)).call(hosts);
  return {
    present: Array.from(
      present,
      ([{ label }, found]) =>
        [label, ...found.map(({ addresses: [address] }) => address)].join(" "),
    ),
    missing: missing.map(({ label }) => label),
    impostors: impostors.map(({ addresses: [address] }) => address),
  };
}

Deno.test("parseExpectedHosts() reads names, addresses and pins in any order", () => {
  const text = `# who answers\nweb1.Example.org. 192.0.2.21 web1\n\n${pin} db1 2001:DB8::7 # old\n`;
  assert.deepEqual(parseExpectedHosts(text), [
    {
      label: "web1.Example.org.",
      names: ["web1.example.org", "web1"],
      addresses: ["192.0.2.21"],
      pins: [],
    },
    { label: "db1", names: ["db1"], addresses: ["2001:db8::7"], pins: [key] },
  ]);
});

Deno.test("parseExpectedHosts() takes an /etc/hosts file without its loopback and group lines", () => {
  const text = "127.0.0.1 localhost\n::1 ip6-localhost\nff02::1 ip6-allnodes\n127.0.1.1 r1\n" +
    "255.255.255.255 broadcasthost\n0.0.0.0 blocked\n224.0.0.1 all\nfe80::9 link\n" +
    `192.0.2.20\tsql01 sql01.example.org\n127.0.0.1 pinned ${pin}\n`;
  const labels = parseExpectedHosts(text).map(({ label }) => label);
  assert.deepEqual(labels, ["link", "sql01", "pinned"]);
});

for (
  const [text, message] of [
    ["a\nb;c\n", /^line 2 is neither a host name, an address nor a host's key: "b;c"$/],
    [`a\n${formatKey("secret", point)}`, /^line 2 is a router's secret key: /],
    [formatKey("public", point), /^line 1 is a router's public key: /],
    ["", /^it names no host$/],
    ["# nobody\n127.0.0.1 localhost", /^it names no host$/],
    ["\ufffds\0q\0l\0", /UTF-16/],
  ] as const
) {
  Deno.test(`parseExpectedHosts() refuses ${JSON.stringify(text.slice(0, 24))}`, () => {
    assert.throws(() => parseExpectedHosts(text), ({ message: said }: Error) => {
      assert.ok(!said.includes(point.toBase64({ alphabet: "base64url", omitPadding: true })));
      return message.test(said);
    });
  });
}

Deno.test("call() compares names without case, short ones with qualified ones", () => {
  for (
    const [line, name] of [
      ["web1.example.org", "WEB1.example.org."],
      ["web1.example.org", "web1"],
      ["web1", "web1.example.net"],
    ]
  ) assert.deepEqual(called(line, [host(name)]).missing, [], `${line} ${name}`);
  for (
    const [line, name] of [
      ["web1.example.org", "web1.example.net"],
      ["web1", "web10"],
      ["web1", ""],
    ]
  ) assert.deepEqual(called(line, [host(name)]).missing, [line], `${line} ${name}`);
});

Deno.test("call() takes any of a line's addresses", () => {
  const text = "192.0.2.20 192.0.2.21 sql01";
  assert.deepEqual(called(text, [host("", "192.0.2.21")]).missing, []);
  assert.deepEqual(called(text, [host("", "192.0.2.22")]).missing, ["sql01"]);
});

Deno.test("call() has one host for one line, by its address before its name", () => {
  const text = "192.0.2.20 web\n192.0.2.21 web\n";
  const [a, b] = [host("web", "192.0.2.21"), host("web", "192.0.2.77")];
  assert.deepEqual(called(text, [b, a]).missing, []);
  assert.deepEqual(called(text, [a]).missing, ["web"]);
  assert.deepEqual(called("web\n", [b, a]).present, ["web 192.0.2.77"]);
  assert.deepEqual(called("192.0.2.20 192.0.2.21 web\n", [b, a]).present, ["web 192.0.2.21"]);
});

Deno.test("call() has one host for the lines of all addresses that it answered from", () => {
  const text = "192.0.2.20 web\n198.51.100.20 web-b\n";
  const both = {
    ...host("web", "192.0.2.20"),
    addresses: new Set(["192.0.2.20", "198.51.100.20"]),
  };
  assert.deepEqual(called(text, [both]).missing, []);
  assert.deepEqual(called(text, [host("web", "192.0.2.20")]).missing, ["web-b"]);
});

Deno.test("parseExpectedHosts() takes lines of one name for each family as one host", () => {
  const labels = (text: string) => parseExpectedHosts(text).map(({ label }) => label);
  const text = "192.0.2.20 web.example.org web\n2001:db8::20 WEB\n";
  assert.deepEqual(labels(text), ["web.example.org"]);
  assert.deepEqual(called(text, [host("web", "192.0.2.20")]).missing, []);
  assert.deepEqual(called(text, [host("", "2001:db8::20")]).missing, []);
  const others = [
    "192.0.2.20 web\n192.0.2.21 web\n",
    "web\n192.0.2.20 web\n",
    `192.0.2.20 web ${pin}\n2001:db8::20 web\n`,
  ];
  for (const lines of others) assert.deepEqual(labels(lines), ["web", "web"], lines);
  assert.deepEqual(labels("192.0.2.20 web\n2001:db8::21 db\n2001:db8::20\n"), [
    "web",
    "db",
    "2001:db8::20",
  ]);
});

Deno.test("call() counts the key alone where a line has a pin, and each of its instances", () => {
  const text = `sql01 192.0.2.20 ${pin}`;
  const impostor = host("sql01", "192.0.2.20");
  const [one, clone] = [host("renamed", "192.0.2.5", key), host("renamed", "192.0.2.6", key)];
  assert.deepEqual(called(text, [impostor]), {
    present: [],
    missing: ["sql01"],
    impostors: ["192.0.2.20"],
  });
  assert.deepEqual(called(text, [one, clone, impostor]).present, ["sql01 192.0.2.5 192.0.2.6"]);
});
