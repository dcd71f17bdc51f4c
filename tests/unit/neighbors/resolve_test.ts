import assert from "node:assert/strict";
import type { KernelNeighbor } from "../../../lib/neighbors/iproute2.ts";
import {
  entryAt,
  type NeighborTarget,
  type ResolvableTable,
  resolveAnew,
} from "../../../lib/neighbors/linux.ts";
import { parseLinkLayerAddress, parsePrefix, samePrefix } from "../../../lib/wire/addresses.ts";

const first: NeighborTarget = { address: parsePrefix("192.0.2.1"), interfaceName: "e0" };
const second: NeighborTarget = { address: parsePrefix("2001:db8::1"), interfaceName: "e1" };
const mac = "02:00:00:00:00:01";

function entry(target: NeighborTarget, state: string, lladdr: string | null): KernelNeighbor {
  const linkLayerAddress = lladdr === null ? null : parseLinkLayerAddress(lladdr);
  return { address: target.address, device: target.interfaceName, linkLayerAddress, state };
}

/**
 * A stand-in for the kernel's table with a clock of its own: what happens in it, and when, can't be
 * arranged with a real one. It does what the real one was seen to do.
 */
function scriptedTable(entries: KernelNeighbor[], events: [number, () => void][] = []) {
  let clock = 0;
  const solicited: string[][] = [];
  const at = (target: NeighborTarget) => (neighbor: KernelNeighbor) =>
    neighbor.device === target.interfaceName && samePrefix(neighbor.address, target.address);
  const remove = (target: NeighborTarget) => {
    entries = entries.filter((neighbor) =>
      !at(target)(neighbor) || neighbor.state === "PERMANENT" || neighbor.state === "NOARP"
    );
  };
  const set = (target: NeighborTarget, state: string, lladdr: string | null) => {
    entries = entries.filter((neighbor) => !at(target)(neighbor));
    entries.push(entry(target, state, lladdr));
  };
  const table: ResolvableTable = {
    forget: (targets) => {
      targets.forEach(remove);
      return Promise.resolve([...entries]);
    },
    solicit: (targets) => {
      solicited.push(targets.map((target) => target.interfaceName));
      for (const target of targets) {
        if (entries.some(at(target))) break;
        set(target, "INCOMPLETE", null);
      }
      return Promise.resolve([...entries]);
    },
    listAll: () => Promise.resolve([...entries]),
  };
  const sleep = (ms: number) => {
    clock += ms;
    while (events.length > 0 && events[0][0] <= clock) events.shift()?.[1]();
    return Promise.resolve();
  };
  const options = { now: () => clock, sleep };
  return { table, options, set, remove, solicited, clock: () => clock };
}

Deno.test("resolveAnew() drops a stale entry and learns the new one", async () => {
  const script = scriptedTable([entry(first, "STALE", "02:00:00:00:00:99")], [
    [10, () => script.set(first, "REACHABLE", mac)],
  ]);
  const neighbors = await resolveAnew(script.table, [first], script.options);
  assert.deepEqual(entryAt(neighbors, first), entry(first, "REACHABLE", mac));
  assert.deepEqual(script.solicited, [["e0"]]);
  assert.equal(script.clock(), 10);
});

Deno.test("resolveAnew() asks for all targets at once", async () => {
  const script = scriptedTable([], [
    [10, () => script.set(first, "REACHABLE", mac)],
    [30, () => script.set(second, "REACHABLE", mac)],
  ]);
  await resolveAnew(script.table, [first, second], script.options);
  assert.deepEqual(script.solicited, [["e0", "e1"]]);
  assert.equal(script.clock(), 30);
});

Deno.test("resolveAnew() gives up after its time, and not before", async () => {
  const script = scriptedTable([]);
  const neighbors = await resolveAnew(script.table, [first], script.options);
  assert.deepEqual(entryAt(neighbors, first), entry(first, "INCOMPLETE", null));
  assert.equal(script.clock(), 1000);
});

Deno.test("resolveAnew() ends when the kernel has given up", async () => {
  const script = scriptedTable([], [[70, () => script.set(first, "FAILED", null)]]);
  await resolveAnew(script.table, [first], script.options);
  assert.equal(script.clock(), 70);
});

for (const state of ["PERMANENT", "NOARP"]) {
  Deno.test(`resolveAnew() leaves a ${state} entry alone and doesn't wait for it`, async () => {
    const script = scriptedTable([entry(first, state, mac)]);
    const neighbors = await resolveAnew(script.table, [first], script.options);
    assert.deepEqual(entryAt(neighbors, first), entry(first, state, mac));
    assert.deepEqual(script.solicited, []);
    assert.equal(script.clock(), 0);
  });
}

Deno.test("resolveAnew() asks again for what a flush took away meanwhile", async () => {
  const script = scriptedTable([], [
    [30, () => script.remove(first)],
    [70, () => script.set(first, "REACHABLE", mac)],
  ]);
  const neighbors = await resolveAnew(script.table, [first], script.options);
  assert.deepEqual(entryAt(neighbors, first), entry(first, "REACHABLE", mac));
  assert.deepEqual(script.solicited, [["e0"], ["e0"]]);
});

Deno.test("resolveAnew() asks for the rest when an entry came up by itself", async () => {
  const script = scriptedTable([], [[30, () => script.set(second, "REACHABLE", mac)]]);
  const { forget } = script.table;
  // Traffic makes an entry between the look at the table and the soliciting.
  const table = {
    ...script.table,
    forget: async (targets: readonly NeighborTarget[]) => {
      const neighbors = await forget(targets);
      script.set(first, "STALE", mac);
      return neighbors;
    },
  };
  const neighbors = await resolveAnew(table, [first, second], script.options);
  assert.equal(entryAt(neighbors, first)?.state, "STALE");
  assert.equal(entryAt(neighbors, second)?.state, "REACHABLE");
  assert.deepEqual(script.solicited, [["e0", "e1"], ["e1"]]);
});
