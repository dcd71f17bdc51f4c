import assert from "node:assert/strict";
import type { AskResult } from "../../../lib/ask/verdicts.ts";
import { addressChanges, HostLinks, linksOf, optionsOn } from "../../../lib/follow/links.ts";
import { parseArguments } from "../../../lib/sender/arguments.ts";
import type { Host } from "../../../lib/sender/hosts.ts";
import { ownInterfaces } from "../../../lib/wire/addresses.ts";
import { askResult } from "../sender/helpers.ts";

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

/** A run to which hosts have answered, each on its links, under the names they are expected under. */
function answered(...hosts: [name: string, ...links: number[]][]) {
  const of = (key: string): Host => ({
    key,
    instance: "1",
    name: key,
    addresses: new Set(["192.0.2.9"]),
    clock: { ms: 0, errorMs: 0 },
    own: false,
    acks: 1,
    answers: new Map(),
    inherited: new Map(),
  });
  const all = hosts.map(([name, ...links]) => ({ host: of(name), links }));
  return {
    hosts: all,
    asked: [] as AskResult[],
    expectedNames: new Map(all.map(({ host }) => [host, host.key])),
    record: {
      hosts: {
        linksOf: (host: Host) => new Set(all.find((one) => one.host === host)?.links),
      },
    },
  };
}

Deno.test("HostLinks expects on a link those that answered there, and those that nobody has seen", () => {
  const links = new HostLinks();
  const file = { kind: "file", path: "hosts" } as const;
  const elsewhere = (link: string) => {
    const expect = links.expectedOn(link, file);
    return expect?.kind === "file" ? [...expect.elsewhere ?? []] : null;
  };
  assert.deepEqual(elsewhere("e0"), []);
  links.note(answered(["web1", 0], ["web2", 1], ["both", 0, 1]), ["e0", "e1"]);
  assert.deepEqual([elsewhere("e0"), elsewhere("e1")], [["web2"], ["web1"]]);
  // It was plugged in somewhere else.
  links.note(answered(["web2", 0]), ["e0"]);
  assert.deepEqual(elsewhere("e0"), []);
  const asked = askResult("no answer", { link: "e1", name: "printer1", expected: true });
  links.note({ ...answered(), asked: [asked] }, ["e0", "e1"]);
  assert.deepEqual([elsewhere("e0"), elsewhere("e1")], [["printer1"], ["web1"]]);
  assert.equal(links.expectedOn("e0", null), null);
  assert.equal(new HostLinks().expectedOn("e0", null), null);
  assert.deepEqual(links.expectedOn("wan", null), { kind: "count", count: 0 });
});

Deno.test("HostLinks expects on a link as many as are counted less those of other links alone", () => {
  const links = new HostLinks();
  const hosts = ["a", "b", "c"].map((name): [string, number] => [name, name === "a" ? 0 : 1]);
  links.note(answered(...hosts), ["e0", "e1"]);
  for (const [count, on0, on1] of [[3, 1, 2], [5, 3, 4], [1, 1, 1]]) {
    const expected = ["e0", "e1"].map((link) => links.expectedOn(link, { kind: "count", count }));
    assert.deepEqual(expected, [{ kind: "count", count: on0 }, { kind: "count", count: on1 }]);
  }
});
