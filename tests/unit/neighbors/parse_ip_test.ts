import assert from "node:assert/strict";
import { parseGateways, parseIpLine, parseNeighbors } from "../../../lib/neighbors/iproute2.ts";
import { NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { formatAddress, formatLinkLayerAddress } from "../../../lib/wire/addresses.ts";

/** As iproute2 6.1 prints them, with `-json`. */
const table = [
  { dst: "192.0.2.2", dev: "e0", lladdr: "02:00:00:00:00:02", state: ["REACHABLE"] },
  { dst: "192.0.2.9", dev: "e0", state: ["INCOMPLETE"] },
  { dst: "fe80::1", dev: "e1", lladdr: "02:00:00:00:00:01", router: null, state: ["STALE"] },
  { dst: "198.51.100.1", dev: "gre0", lladdr: "203.0.113.9", state: ["NOARP"] },
];

Deno.test("parseNeighbors() reads entries of both families", () => {
  const entries = parseNeighbors(table).map((entry) => [
    formatAddress(entry.address),
    entry.device,
    entry.linkLayerAddress && formatLinkLayerAddress(entry.linkLayerAddress),
    entry.state,
  ]);
  assert.deepEqual(entries, [
    ["192.0.2.2", "e0", "02:00:00:00:00:02", "REACHABLE"],
    ["192.0.2.9", "e0", null, "INCOMPLETE"],
    ["fe80::1", "e1", "02:00:00:00:00:01", "STALE"],
    ["198.51.100.1", "gre0", null, "NOARP"],
  ]);
});

Deno.test("parseNeighbors() and parseGateways() read nothing from an empty table", () => {
  assert.deepEqual(parseNeighbors(parseIpLine("[ ]")), []);
  assert.deepEqual(parseGateways(parseIpLine("[]")), []);
});

const good = table[0];
const malformedTables: [string, unknown][] = [
  ["no array", { ...good }],
  ["null", null],
  ["an entry that is text", ["192.0.2.2"]],
  ["an entry that is an array", [[good]]],
  ["an entry without an address", [{ ...good, dst: undefined }]],
  ["an address with a zone", [{ ...good, dst: "fe80::1%e0" }]],
  ["an address that is a number", [{ ...good, dst: 3221225986 }]],
  ["an entry without an interface", [{ ...good, dev: undefined }]],
  ["an empty interface name", [{ ...good, dev: "" }]],
  ["a link-layer address that is a number", [{ ...good, lladdr: 2 }]],
  ["a link-layer address that is null", [{ ...good, lladdr: null }]],
  ["an entry without a state", [{ ...good, state: undefined }]],
  ["a state that is text", [{ ...good, state: "STALE" }]],
  ["two states", [{ ...good, state: ["STALE", "REACHABLE"] }]],
  ["a state that is a number", [{ ...good, state: [4] }]],
];

for (const [what, value] of malformedTables) {
  Deno.test(`parseNeighbors() refuses ${what}`, () => {
    assert.throws(() => parseNeighbors(value), isReadError);
  });
}

/** As iproute2 6.1 prints them: one hop, two hops (IPv6 in one route), an IPv6 hop (RFC 5549). */
const routes = [
  { dst: "default", gateway: "192.0.2.2", dev: "e0", flags: [] },
  {
    dst: "default",
    metric: 1024,
    nexthops: [{ gateway: "fe80::1", dev: "e0", weight: 1 }, { gateway: "fe80::2", dev: "e1" }],
  },
  { dst: "default", via: { family: "inet6", host: "2001:db8::2" }, dev: "e0", flags: [] },
  { dst: "default", dev: "ppp0", scope: "link", flags: [] },
  { dst: "default", gateway: "192.0.2.2", dev: "e1", metric: 100, flags: [] },
];

Deno.test("parseGateways() names each gateway once, those of several hops included", () => {
  const gateways = parseGateways(routes).map(formatAddress);
  assert.deepEqual(gateways, ["192.0.2.2", "fe80::1", "fe80::2", "2001:db8::2"]);
});

const malformedRoutes: [string, unknown][] = [
  ["no array", routes[0]],
  ["a route that is text", ["default via 192.0.2.2"]],
  ["a gateway that is a number", [{ gateway: 1 }]],
  ["a gateway that is a name", [{ gateway: "router" }]],
  ["hops that are no array", [{ nexthops: { gateway: "192.0.2.2" } }]],
  ["a hop that is text", [{ nexthops: ["192.0.2.2"] }]],
  ["a via that is text", [{ via: "inet6 2001:db8::2" }]],
];

for (const [what, value] of malformedRoutes) {
  Deno.test(`parseGateways() refuses ${what}`, () => {
    assert.throws(() => parseGateways(value), isReadError);
  });
}

Deno.test("parseIpLine() refuses text that is no JSON, and cuts it short", () => {
  assert.throws(() => parseIpLine("192.0.2.2 dev e0 STALE"), isReadError);
  assert.throws(
    () => parseIpLine("x".repeat(5000)),
    (error) => isReadError(error) && error.message.length < 300,
  );
});

function isReadError(error: unknown): error is NeighborCacheError {
  return error instanceof NeighborCacheError && error.code === 5 &&
    error.message.startsWith('Cannot read the output of "ip": ');
}
