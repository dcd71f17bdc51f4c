import assert from "node:assert/strict";
import { HostLinks } from "../../../lib/follow/host_links.ts";
import type { AskResult } from "../../../lib/ask/verdicts.ts";
import type { Host } from "../../../lib/sender/hosts.ts";
import { askResult } from "../sender/helpers.ts";

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
