import assert from "node:assert/strict";
import type { IpResult } from "../../../lib/neighbors/iproute2.ts";
import {
  createKernelTable,
  createLinuxCache,
  isPlainInterfaceName,
} from "../../../lib/neighbors/linux.ts";
import { NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";

/** A stand-in for `ip` that prints always the same; what it is given is kept. */
function printing(stdout: string, stderr = "", code = 0) {
  const inputs: string[] = [];
  const ip = (_args: readonly string[], input: string) => {
    inputs.push(input);
    return Promise.resolve({ code, stdout, stderr });
  };
  return { ip, inputs };
}

Deno.test("createKernelTable().flush() flushes prefixes of both families in one batch", async () => {
  const { ip, inputs } = printing(
    "Nothing to flush.\n" +
      "\n*** Round 1, deleting 3 entries ***\n*** Flush is complete after 1 round ***\n" +
      "Nothing to flush.\n" +
      "\n*** Round 1, deleting 2 entries ***\n\n*** Round 2, deleting 1 entries ***\n" +
      "*** Flush is complete after 2 rounds ***\n",
  );
  const scope = ["192.0.2.1", "198.51.100.0/24", "0.0.0.0/0", "2001:db8::/64"].map(parsePrefix);
  assert.equal(await createKernelTable(ip).flush(scope), 5);
  assert.deepEqual(inputs, [
    "neigh flush to 192.0.2.1\n" +
    "neigh flush to 198.51.100.0/24\n" +
    "neigh flush to 0.0.0.0/0\n" +
    "neigh flush to 2001:db8::/64\n",
  ]);
});

for (const [what, stdout] of [["too few", done(1)], ["too many", done(1).repeat(3)], ["no", ""]]) {
  Deno.test(`createKernelTable().flush() refuses ${what} flushes`, async () => {
    const { ip } = printing(stdout);
    await assert.rejects(
      createKernelTable(ip).flush(["192.0.2.1", "192.0.2.2"].map(parsePrefix)),
      (error) => error instanceof NeighborCacheError && error.code === 5,
    );
  });
}

Deno.test("createKernelTable().listAll() refuses two tables", async () => {
  const { ip } = printing("[]\n[]\n");
  await assert.rejects(createKernelTable(ip).listAll(), { name: "NeighborCacheError", code: 5 });
});

/** What `ip` prints for a flush of so many entries. */
function done(entries: number): string {
  const round = `\n*** Round 1, deleting ${entries} entries ***\n`;
  return `${round}*** Flush is complete after 1 round ***\n`;
}

/** A stand-in for `ip` that prints something else each time, and goes on with the last. */
function printingInTurn(...results: readonly IpResult[]) {
  let runs = 0;
  const ip = () => Promise.resolve(results[Math.min(runs++, results.length - 1)]);
  return { ip, runs: () => runs };
}

const overtaken = "Failed to send flush request: No such file or directory\n";

Deno.test("createKernelTable().flush() begins again when overtaken, and counts what every run did", async () => {
  const { ip, runs } = printingInTurn(
    { code: 1, stdout: done(3), stderr: overtaken },
    { code: 1, stdout: "", stderr: overtaken },
    { code: 0, stdout: `Nothing to flush.\n${done(2)}`, stderr: "" },
  );
  const scope = ["192.0.2.0/24", "198.51.100.0/24"].map(parsePrefix);
  assert.equal(await createKernelTable(ip).flush(scope), 5);
  assert.equal(runs(), 3);
});

Deno.test("createKernelTable().flush() gives up when it is overtaken again and again", async () => {
  const { ip, runs } = printingInTurn({ code: 1, stdout: "", stderr: overtaken });
  await assert.rejects(createKernelTable(ip).flush("all"), { name: "NeighborCacheError", code: 2 });
  assert.equal(runs(), 10);
});

Deno.test("createKernelTable().flush() doesn't repeat what fails otherwise", async () => {
  const stderr = "Failed to send flush request: Operation not permitted\n";
  const { ip, runs } = printingInTurn({ code: 1, stdout: "", stderr });
  await assert.rejects(createKernelTable(ip).flush("all"), { name: "NeighborCacheError", code: 1 });
  assert.equal(runs(), 1);
});

Deno.test("createKernelTable().solicit() passes on every error but an existing entry", async () => {
  const { ip } = printing("", "RTNETLINK answers: No buffer space available\n", 2);
  const target = { address: parsePrefix("192.0.2.1"), interfaceName: "e0" };
  await assert.rejects(
    createKernelTable(ip).solicit([target]),
    (error) => error instanceof NeighborCacheError && error.code === 105,
  );
});

for (const name of ["eth0", "e0.100", "br-lan", "wg0@x", "!", "~^_"]) {
  Deno.test(`isPlainInterfaceName() takes "${name}"`, () => {
    assert.equal(isPlainInterfaceName(name), true);
  });
}

for (
  const name of ["", "a b", 'a"b', "a'b", "a\\b", "a#b", "a\nb", "a\tb", "é", "sixteen-letters!"]
) {
  Deno.test(`isPlainInterfaceName() refuses ${JSON.stringify(name)}`, () => {
    assert.equal(isPlainInterfaceName(name), false);
  });
}

Deno.test("createLinuxCache() never hands a name to ip that its syntax would misread", async () => {
  const { ip, inputs } = printing("[]\n");
  const interfaces = () => [
    { name: "a#b", address: "192.0.2.5", cidr: "192.0.2.5/24" },
    { name: "e1", address: "198.51.100.5", cidr: "198.51.100.5/24" },
  ];
  const reports = await createLinuxCache({ ip, interfaces, timeoutMs: 0 })
    .resolve(["192.0.2.1", "198.51.100.1"].map(parsePrefix));
  assert.deepEqual(reports.map(({ state }) => state), ["not looked at", "no neighbor"]);
  assert.equal(inputs.some((input) => input.includes("#")), false);
});

Deno.test("createLinuxCache() doesn't run ip for addresses that are not looked at", async () => {
  const { ip, inputs } = printing("[]\n");
  const cache = createLinuxCache({ ip, interfaces: () => [] });
  const reports = await cache.resolve([parsePrefix("192.0.2.1"), parsePrefix("192.0.2.0/24")]);
  assert.deepEqual(reports.map(({ state }) => state), ["not looked at", "not looked at"]);
  assert.deepEqual(inputs, []);
});

Deno.test("createLinuxCache() solicits an address named twice once", async () => {
  const { ip, inputs } = printing("[]\n");
  const interfaces = () => [{ name: "e0", address: "192.0.2.5", cidr: "192.0.2.5/24" }];
  const cache = createLinuxCache({ ip, interfaces, timeoutMs: 0 });
  const reports = await cache.resolve([parsePrefix("192.0.2.1"), parsePrefix("192.0.2.1")]);
  assert.equal(reports.length, 2);
  assert.equal(inputs[1], "neigh add 192.0.2.1 dev e0 nud none use\nneigh show nud all\n");
});

Deno.test("createLinuxCache() rejects with a NeighborCacheError if interfaces can't be listed", async () => {
  const { ip } = printing("[]\n");
  const interfaces = () => {
    throw new Deno.errors.NotCapable("Requires sys access");
  };
  await assert.rejects(
    createLinuxCache({ ip, interfaces }).look([parsePrefix("192.0.2.1")]),
    (error) =>
      error instanceof NeighborCacheError &&
      error.message === "Cannot list the network interfaces: Requires sys access",
  );
});
