import assert from "node:assert/strict";
import { parseArguments } from "./arguments.ts";
import { tierOf } from "./tiers.ts";

const names = ["unit", "net"];

Deno.test("parseArguments() reads tiers, files and a filter in any order", () => {
  assert.deepEqual(parseArguments([], names), { tiers: [], files: [], filter: undefined });
  assert.deepEqual(
    parseArguments(["./tests/a_test.ts", "--filter", "flush", "net", "unit"], names),
    { tiers: ["net", "unit"], files: ["tests/a_test.ts"], filter: "flush" },
  );
  assert.equal(parseArguments(["--filter=a b"], names).filter, "a b");
});

for (const args of [["lab"], ["--coverage"], ["tests/a.ts"], ["--filter"]]) {
  Deno.test(`parseArguments() refuses ${args.join(" ")}`, () => {
    assert.throws(() => parseArguments(args, names), Error);
  });
}

Deno.test("tierOf() finds the tier by the folder, unit where no other fits", () => {
  assert.equal(tierOf("tests/wire/ack_test.ts")?.name, "unit");
  assert.equal(tierOf("tests/net/demo_test.ts")?.name, "net");
  assert.equal(tierOf("tests/lab/failover_test.ts")?.name, "lab");
  assert.equal(tierOf("tests/windows/wine/deep/cache_test.ts")?.name, "windows");
});
