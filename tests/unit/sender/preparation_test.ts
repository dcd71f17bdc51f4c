import assert from "node:assert/strict";
import { parseArguments } from "../../../lib/sender/arguments.ts";
import { prepare } from "../../../lib/sender/preparation.ts";
import { formatPrefix } from "../../../lib/wire/addresses.ts";
import { interfaces, router } from "./helpers.ts";

function prepared(line: string, machine = router) {
  const command = parseArguments(line.split(" "));
  if (command.kind !== "send") throw new Error(command.kind);
  const { targets, addresses, report, faults, warnings } = prepare(command.options, machine);
  return {
    targets: targets.map(({ hostname }) => hostname),
    addresses: addresses.map(formatPrefix),
    report,
    faults,
    warnings,
  };
}

const own = ["192.0.2.1", "192.0.2.2", "198.51.100.2", "fe80::2", "2001:db8::2", "fe80::12"];

Deno.test("prepare() asks for this machine's own addresses where it sends", () => {
  assert.deepEqual(prepared("-a"), {
    targets: ["192.0.2.255", "198.51.100.127"],
    addresses: own,
    report: true,
    faults: [],
    warnings: [],
  });
  assert.deepEqual(prepared("-a --interface e1").addresses, ["198.51.100.2", "fe80::12"]);
  assert.deepEqual(prepared("198.51.100.7").addresses, ["198.51.100.2", "fe80::12"]);
  assert.deepEqual(prepared("-a --probe").addresses, own);
});

Deno.test("prepare() lists addresses exactly when the request's format wants them", () => {
  const shown = (line: string) => {
    const { addresses, report } = prepared(line);
    return [addresses.length > 0, report];
  };
  assert.deepEqual(shown("-a"), [true, true]);
  assert.deepEqual(shown("-a --no-verify"), [false, false]);
  assert.deepEqual(shown("-a --only"), [true, true]);
  assert.deepEqual(shown("-a --only --no-verify"), [true, false]);
  assert.deepEqual(shown("-a --probe"), [true, true]);
  assert.deepEqual(shown("-a --probe --no-verify"), [false, false]);
  assert.deepEqual(shown("-a -P x"), [false, false]);
});

Deno.test("prepare() takes given addresses, and warns of those this machine doesn't hold", () => {
  assert.deepEqual(prepared("-a -A 192.0.2.1 -A 192.0.2.0/24"), {
    targets: ["192.0.2.255", "198.51.100.127"],
    addresses: ["192.0.2.1", "192.0.2.0/24"],
    report: true,
    faults: [],
    warnings: [],
  });
  assert.deepEqual(prepared("-a -A 203.0.113.1").warnings, [
    "This machine does not hold 203.0.113.1: any link-layer address reported for it counts as STUCK",
  ]);
});

Deno.test("prepare() cuts too many own addresses to 61, virtual IPv4 ones first, and says so", () => {
  const machine = interfaces(
    "e0 fe80::2/64 02:00:00:00:00:02",
    "e0 192.0.2.2/24 02:00:00:00:00:02",
    ...Array.from({ length: 60 }, (_, i) => `e0 10.0.0.${i}/32 02:00:00:00:00:02`),
  );
  const { addresses, warnings } = prepared("-a", machine);
  assert.equal(addresses.length, 61);
  assert.equal(addresses[0], "10.0.0.0");
  assert.equal(addresses[60], "192.0.2.2");
  assert.deepEqual(warnings, [
    "62 own addresses are too many for a datagram: the first 61 are in question; " +
    "give --address to choose",
  ]);
});

Deno.test("prepare() flushes without a report when there is nothing to verify", () => {
  const { addresses, report, warnings } = prepared("127.0.0.1");
  assert.deepEqual([addresses, report], [[], false]);
  assert.deepEqual(warnings, ["No address of this machine's own to verify: give --address"]);
});

Deno.test("prepare() refuses to flush listed addresses when there are none", () => {
  assert.throws(() => prepared("127.0.0.1 --only"), {
    name: "RunError",
    exitCode: 2,
    message: "No address of this machine's own to flush: give --address",
  });
});

Deno.test("prepare() refuses a run without a target", () => {
  assert.throws(() => prepared("-a", []), {
    name: "RunError",
    exitCode: 1,
    message: /No interface/,
  });
  assert.throws(() => prepared("-a --interface e9"), { exitCode: 2, message: /No interface "e9"/ });
});

Deno.test("prepare() goes on without an interface that can't be used", () => {
  const { targets, faults } = prepared("-a --interface e0 --interface e9");
  assert.deepEqual(targets, ["192.0.2.255"]);
  assert.equal(faults.length, 1);
});
