import fc from "fast-check";
import assert from "node:assert/strict";
import { parseExpectedNames, RollCall } from "../../../lib/sender/expectation.ts";

Deno.test("parseExpectedNames() takes a name a line, without comments and repetitions", () => {
  const text = "\uFEFFweb1\r\n# all\n\n  db1.example.org  # main\nWEB1\nweb1.\nbüro";
  assert.deepEqual(parseExpectedNames(text), ["web1", "db1.example.org", "büro"]);
});

Deno.test("parseExpectedNames() refuses a line that is no name, and a file without any", () => {
  assert.throws(() => parseExpectedNames("web1\nweb2 web3\n"), {
    message: 'line 2 is not a host name: "web2 web3"',
  });
  assert.throws(() => parseExpectedNames("a\0b"), { message: /^line 1 is not a host name/ });
  assert.throws(() => parseExpectedNames("# none\n"), { message: "it names no host" });
});

/** The names missing after some hosts have answered. */
function missing(names: string[], ...hosts: string[]): string[] {
  const rollCall = new RollCall({ kind: "names", names });
  hosts.forEach((host) => rollCall.note(host));
  assert.equal(rollCall.missingCount(), rollCall.missingNames().length);
  assert.equal(rollCall.isComplete(), rollCall.missingCount() === 0);
  return rollCall.missingNames();
}

Deno.test("RollCall matches names without regard to case and the root's dot", () => {
  assert.deepEqual(missing(["Web1", "db1.Example.org."], "WEB1", "DB1.EXAMPLE.ORG"), []);
});

Deno.test("RollCall matches a short name with a qualified one, whichever is short", () => {
  assert.deepEqual(missing(["web1", "db1.example.org"], "web1.example.org", "db1"), []);
  assert.deepEqual(missing(["web1.a.example"], "web1.b.example"), ["web1.a.example"]);
  assert.deepEqual(missing(["web"], "web1", "eb"), ["web"]);
});

Deno.test("RollCall lets a host answer for one expected name at most", () => {
  const names = ["web1.a.example", "web1.b.example"];
  assert.deepEqual(missing(names, "web1", "web1", "WEB1"), ["web1.b.example"]);
  assert.deepEqual(missing(names, "web1.b.example", "web1"), []);
});

Deno.test("RollCall doesn't mind hosts that nobody expects", () => {
  assert.deepEqual(missing(["web1"], "web2", "web3"), ["web1"]);
});

Deno.test("RollCall counts each host once", () => {
  const rollCall = new RollCall({ kind: "count", count: 2 });
  for (const host of ["web1", "WEB1", "web1."]) rollCall.note(host);
  assert.equal(rollCall.missingCount(), 1);
  assert.ok(!rollCall.isComplete());
  rollCall.note("web2");
  rollCall.note("web3");
  assert.ok(rollCall.isComplete());
  assert.equal(rollCall.missingCount(), 0);
  assert.deepEqual(rollCall.missingNames(), []);
});

Deno.test("RollCall is complete once the expected names have answered, in any order", () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1 });
  fc.assert(fc.property(names, fc.array(fc.nat()), (names, order) => {
    const hosts = names.map((name, i) => ({ name: name.toUpperCase(), at: order[i] ?? 0 }))
      .sort((a, b) => a.at - b.at).map(({ name }) => name);
    assert.deepEqual(
      missing(names, ...hosts.slice(1)),
      names.filter((n) => n.toUpperCase() === hosts[0]),
    );
    assert.deepEqual(missing(names, ...hosts), []);
  }));
});
