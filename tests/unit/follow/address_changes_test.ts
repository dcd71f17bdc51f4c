import assert from "node:assert/strict";
import { addressChanges, linksOf, optionsOn } from "../../../lib/follow/address_changes.ts";
import { parseArguments } from "../../../lib/sender/arguments.ts";
import { ownInterfaces } from "../../../lib/wire/addresses.ts";

const mac = (n: number) => `02:00:00:00:00:0${n}`;
const line = (name: string, cidr: string, mac: string) => ({
  name,
  address: cidr.split("/")[0],
  cidr,
  mac,
});
const lo = line("lo", "127.0.0.1/8", "00:00:00:00:00:00");
const e0 = line("e0", "192.0.2.2/24", mac(1));
const e1 = line("e1", "198.51.100.2/24", mac(2));
type Line = typeof e0;

function optionsOf(...args: string[]) {
  const command = parseArguments(args);
  assert.ok(command.kind === "send");
  return command.options;
}

function changesOf(args: string[], before: Line[], now: Line[]) {
  const [was, is] = [before, now].map((lines) => linksOf(optionsOf(...args), ownInterfaces(lines)));
  return addressChanges(was, is).map(({ link, came, went }) => [link.name, came, went]);
}

const vip = line("e0", "192.0.2.254/32", mac(1));
const cases: [what: string, args: string[], before: Line[], now: Line[], expected: unknown[]][] = [
  ["no change", ["-a"], [lo, e0, e1], [e1, lo, e0], []],
  ["one that came", ["-a"], [lo, e0, e1], [lo, e0, e1, vip], [["e0", ["192.0.2.254"], []]]],
  ["one that went", ["-a"], [lo, e0, vip], [lo, e0], [["e0", [], ["192.0.2.254"]]]],
  ["a label's", ["-a"], [e0], [e0, line("e0:1", "192.0.2.254/32", mac(0))], [
    ["e0", ["192.0.2.254"], []],
  ]],
  ["IPv6", ["-a"], [e0], [e0, line("e0", "2001:db8::1/128", mac(1))], [[
    "e0",
    ["2001:db8::1"],
    [],
  ]]],
  ["one on lo that is of a link's network", ["-a"], [lo, e0, e1], [
    line("lo", "192.0.2.254/32", "00:00:00:00:00:00"),
    lo,
    e0,
    e1,
  ], [["e0", ["192.0.2.254"], []]]],
  ["one of a virtual router's interface", ["-a"], [e0], [
    e0,
    line("vrrp.51", "192.0.2.254/32", "00:00:5e:00:01:33"),
  ], [["e0", ["192.0.2.254"], []]]],
  ["a link with all it has", ["-a"], [e0], [e0, e1], [["e1", ["198.51.100.2"], []]]],
  ["a link that is gone", ["-a"], [e0, e1], [e0], [["e1", [], ["198.51.100.2"]]]],
  ["not a link that wasn't asked for", ["-a", "--interface", "e1"], [e0, e1], [e0, e1, vip], []],
  ["named hosts' as one", ["web1"], [lo, e0], [lo, e0, vip, e1], [
    ["", ["192.0.2.254", "198.51.100.2"], []],
  ]],
];
for (const [what, args, before, now, expected] of cases) {
  Deno.test(`addressChanges() tells ${what}`, () => {
    const sorted = changesOf(args, before, now).map(([name, came, went]) => [
      name,
      [...came].toSorted(),
      went,
    ]);
    assert.deepEqual(sorted, expected);
  });
}

Deno.test("optionsOn() narrows a command line to one of its links", () => {
  const options = optionsOf("-a", "web1");
  const links = linksOf(options, ownInterfaces([lo, e0, e1]));
  const narrowed = [...links.values()].map((link) => {
    const { all, interfaceNames, hosts } = optionsOn(link, options);
    return [link.name, all, interfaceNames, hosts.length];
  });
  assert.deepEqual(narrowed, [["e0", true, ["e0"], 0], ["e1", true, ["e1"], 0], [
    "",
    false,
    [],
    1,
  ]]);
});
