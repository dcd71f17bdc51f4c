/** The Linux cache against the kernel's own table, in the namespace that this process is in. */
import assert from "node:assert/strict";
import { createLinuxCache } from "../../lib/neighbors/linux.ts";
import {
  formatAddress,
  formatLinkLayerAddress,
  parsePrefix,
  prefixContains,
} from "../../lib/wire/addresses.ts";
import { run, until } from "../support/command.ts";
import { connect, ip, openNetworkNamespace } from "../support/namespaces.ts";

const peerMac = "02:00:00:00:00:02";
const deadMac = "02:00:00:00:00:99";

/** Two links from here to one other host: e0 with both families, e1 with IPv4 alone. */
async function openLinks() {
  const other = await openNetworkNamespace("other");
  await connect(
    { namespace: null, name: "e0", addresses: ["192.0.2.5/24", "2001:db8::5/64"] },
    {
      namespace: other,
      name: "e0",
      addresses: ["192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64"],
      linkLayerAddress: peerMac,
    },
  );
  await connect(
    { namespace: null, name: "e1", addresses: ["198.51.100.5/24"] },
    { namespace: other, name: "e1", addresses: ["198.51.100.1/24"], linkLayerAddress: peerMac },
  );
  return other;
}

/** `address mac` for each entry but the kernel's own for multicast; sorted. */
async function table(): Promise<string[]> {
  const neighbors = await createLinuxCache().list();
  return neighbors.map(({ address, linkLayerAddress, permanent }) =>
    `${formatAddress(address)} ${linkLayerAddress && formatLinkLayerAddress(linkLayerAddress)}` +
    (permanent ? " permanent" : "")
  ).sort();
}

function stale(address: string, device: string): string {
  return `neigh replace ${address} lladdr ${deadMac} nud stale dev ${device}`;
}

/** Entries of every sort on both links. */
const entries = [
  stale("192.0.2.1", "e0"),
  stale("192.0.2.2", "e0"),
  stale("2001:db8::1", "e0"),
  stale("198.51.100.1", "e1"),
  `neigh replace 192.0.2.9 lladdr ${deadMac} nud permanent dev e0`,
  `neigh replace 2001:db8::9 lladdr ${deadMac} nud permanent dev e0`,
  `neigh replace 192.0.2.8 lladdr ${deadMac} nud noarp dev e0`,
];
const permanent = [`192.0.2.9 ${deadMac} permanent`, `2001:db8::9 ${deadMac} permanent`];

/** Entries as routing programs set them (FRR for EVPN, for one), of several states. */
const externallyLearned = [
  `neigh replace 192.0.2.60 lladdr ${deadMac} nud permanent extern_learn dev e0`,
  `neigh replace 192.0.2.61 lladdr ${deadMac} nud noarp extern_learn proto zebra dev e0`,
  `neigh replace 192.0.2.62 lladdr ${deadMac} nud stale extern_learn dev e0`,
  `neigh replace 2001:db8::62 lladdr ${deadMac} nud reachable extern_learn router dev e0`,
];

Deno.test("createLinuxCache().flush() removes both families on all interfaces, not permanent entries", async () => {
  await using _other = await openLinks();
  await ip(null, entries);
  assert.equal((await table()).length, 6);
  const outcome = await createLinuxCache().flush("all");
  assert.equal(outcome.removed, 4);
  assert.ok(outcome.micros > 0 && outcome.micros < 5_000_000, `took ${outcome.micros} µs`);
  assert.deepEqual(outcome.notes, []);
  assert.deepEqual(await table(), permanent);
  assert.match(await ip(null, ["neigh show nud noarp"]), /192\.0\.2\.8/);
});

Deno.test("createLinuxCache().flush() removes what the prefixes cover and nothing else", async () => {
  await using _other = await openLinks();
  await ip(null, entries);
  const scope = ["192.0.2.2", "192.0.2.9", "198.51.100.0/24", "2001:db8::/32"].map(parsePrefix);
  const outcome = await createLinuxCache().flush(scope);
  assert.equal(outcome.removed, 3);
  assert.equal(outcome.forgotten.length, 3);
  for (const address of outcome.forgotten) {
    assert.ok(scope.some((prefix) => prefixContains(prefix, address)), formatAddress(address));
  }
  assert.deepEqual(await table(), [`192.0.2.1 ${deadMac}`, ...permanent]);
});

Deno.test("createLinuxCache().flush() covers a whole family with a prefix of length 0", async () => {
  await using _other = await openLinks();
  await ip(null, entries);
  assert.equal((await createLinuxCache().flush([parsePrefix("::/0")])).removed, 1);
  assert.equal((await createLinuxCache().flush([parsePrefix("0.0.0.0/0")])).removed, 3);
  assert.deepEqual(await table(), permanent);
});

Deno.test("createLinuxCache().flush() may overlap other flushes", async () => {
  await using _other = await openLinks();
  const many = Array.from({ length: 200 }, (_, i) => stale(`192.0.2.${i + 20}`, "e0"));
  const cache = createLinuxCache();
  // Each takes entries away that another has just listed.
  for (let round = 0; round < 5; round++) {
    await ip(null, [...many, ...entries]);
    await Promise.all(Array.from({ length: 6 }, () => cache.flush("all")));
    assert.deepEqual(await table(), permanent);
  }
});

/** Sends UDP to the addresses given, as fast as it goes. A datagram that the kernel refuses is one less. */
const flood = `
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
for (;;) for (const hostname of Deno.args) {
  await socket.send(new Uint8Array(1), { transport: "udp", hostname, port: 9 }).catch(() => {});
}`;

Deno.test("createLinuxCache().flush() succeeds while traffic brings entries back", async () => {
  await using _other = await openLinks();
  const args = ["eval", "-q", "--unstable-net", flood, "192.0.2.1", "192.0.2.77"];
  const floods = [1, 2].map(() => new Deno.Command(Deno.execPath(), { args }).spawn());
  try {
    await until(
      async () => (await table()).some((entry) => entry.startsWith("192.0.2.77")),
      "the flood brings an entry",
    );
    // With such traffic "ip" often says that a flush is not complete: after ten rounds.
    for (let i = 0; i < 10; i++) await createLinuxCache().flush("all");
  } finally {
    for (const child of floods) {
      child.kill("SIGKILL");
      await child.status;
    }
  }
});

Deno.test("createLinuxCache() leaves alone what a routing program set, whatever its state", async () => {
  await using _other = await openLinks();
  await ip(null, [...entries, ...externallyLearned]);
  const shown = async () =>
    (await ip(null, ["neigh show nud all"])).split("\n")
      .filter((line) => line.includes("extern_learn")).sort();
  const before = await shown();
  assert.equal(before.length, externallyLearned.length);
  const cache = createLinuxCache();
  assert.equal((await cache.flush(["192.0.2.62", "192.0.2.2"].map(parsePrefix))).removed, 1);
  assert.equal((await cache.flush(["192.0.2.61", "192.0.2.62"].map(parsePrefix))).removed, 0);
  assert.equal((await cache.flush([parsePrefix("2001:db8::/32")])).removed, 1);
  assert.equal((await cache.flush("all")).removed, 2);
  const asked = ["192.0.2.60", "192.0.2.61", "192.0.2.62", "2001:db8::62"];
  assert.deepEqual(await states("resolve", asked), asked.map(() => ["permanent", deadMac]));
  assert.deepEqual(await shown(), before);
});

Deno.test("createLinuxCache() reads the table beside an entry without a state", async () => {
  await using _other = await openLinks();
  // A router that announced itself without its link-layer address leaves the like of it.
  await ip(null, [...entries, "neigh add fe80::7 nud none dev e0"]);
  assert.match(await ip(null, ["neigh show nud none"]), /^fe80::7 dev e0 *$/m);
  assert.equal((await createLinuxCache().list()).length, 6);
  assert.deepEqual(await states("look", ["192.0.2.1"]), [["neighbor", deadMac]]);
  assert.deepEqual(await states("resolve", ["192.0.2.1"]), [["neighbor", peerMac]]);
  await createLinuxCache().flush("all");
  assert.deepEqual(await table(), permanent);
});

const asked = [
  "192.0.2.1",
  "2001:db8::1",
  "198.51.100.1",
  "192.0.2.77",
  "192.0.2.9",
  "192.0.2.8",
  "192.0.2.0/24",
  "192.0.2.5",
  "203.0.113.1",
  "127.0.0.1",
];

async function states(method: "look" | "resolve", addresses: readonly string[]) {
  const reports = await createLinuxCache()[method](addresses.map(parsePrefix));
  return reports.map(({ state, linkLayerAddress }) =>
    linkLayerAddress.some(Boolean) ? [state, formatLinkLayerAddress(linkLayerAddress)] : [state]
  );
}

const notConcerned = [["not concerned"], ["not concerned"], ["not concerned"], ["not concerned"]];

Deno.test("createLinuxCache().look() reports the table as it is and changes nothing", async () => {
  await using _other = await openLinks();
  await ip(null, entries);
  // The kernel makes entries of multicast groups (ff02::…) when it likes.
  const shown = async () =>
    (await ip(null, ["neigh show nud all"])).split("\n").filter((line) => !line.startsWith("ff"));
  const before = await shown();
  assert.ok(before.length > entries.length, before.join("\n"));
  assert.deepEqual(await states("look", asked), [
    ["neighbor", deadMac],
    ["neighbor", deadMac],
    ["neighbor", deadMac],
    ["no neighbor"],
    ["permanent", deadMac],
    ["permanent", deadMac],
    ...notConcerned,
  ]);
  assert.deepEqual(await shown(), before);
});

Deno.test("createLinuxCache().resolve() asks the links anew and leaves permanent entries alone", async () => {
  await using _other = await openLinks();
  await ip(null, entries);
  const start = performance.now();
  assert.deepEqual(await states("resolve", asked), [
    ["neighbor", peerMac],
    ["neighbor", peerMac],
    ["neighbor", peerMac],
    ["no neighbor"],
    ["permanent", deadMac],
    ["permanent", deadMac],
    ...notConcerned,
  ]);
  // 192.0.2.77 doesn't answer: the second is used up, and not much more.
  const took = performance.now() - start;
  assert.ok(took >= 1000 && took < 3000, `took ${took} ms`);
  assert.ok((await table()).includes(`192.0.2.9 ${deadMac} permanent`));
  assert.ok((await table()).includes(`192.0.2.2 ${deadMac}`), "an address not named was touched");
});

Deno.test("createLinuxCache().resolve() ends as soon as all have answered", async () => {
  await using _other = await openLinks();
  await ip(null, entries);
  const start = performance.now();
  const addresses = ["192.0.2.1", "192.0.2.1", "2001:db8::1", "198.51.100.1"];
  for (const [state, mac] of await states("resolve", addresses)) {
    assert.deepEqual([state, mac], ["neighbor", peerMac]);
  }
  assert.ok(performance.now() - start < 900, "it waited though all had answered");
});

Deno.test("createLinuxCache() takes no old entry for an answer where -batch would misread a link's name", async () => {
  await using _other = await openLinks();
  let link = "e1";
  for (const name of ["e#1", 'e"1', "e'1"]) {
    await run(["ip", "link", "set", "dev", link, "down"]);
    await run(["ip", "link", "set", "dev", link, "name", name, "up"]);
    link = name;
    const neighbor = ["198.51.100.1", "lladdr", deadMac, "dev", name];
    const makeStale = () => run(["ip", "neigh", "replace", ...neighbor, "nud", "stale"]);
    await makeStale();
    assert.deepEqual(await states("resolve", ["198.51.100.1"]), [["neighbor", peerMac]], name);
    await makeStale();
    await createLinuxCache().flush([parsePrefix("198.51.100.1")]);
    assert.ok(!(await table()).includes(`198.51.100.1 ${deadMac}`), name);
  }
});

Deno.test("createLinuxCache().resolve() survives flushes meanwhile", async () => {
  await using other = await openLinks();
  // The other end answers only after a while, and a flush takes the pending entry away before.
  await ip(other, ["addr del 192.0.2.1/24 dev e0"]);
  const resolving = states("resolve", ["192.0.2.1"]);
  for (let i = 0; i < 3; i++) await createLinuxCache().flush("all");
  await ip(other, ["addr add 192.0.2.1/24 dev e0"]);
  await createLinuxCache().flush("all");
  assert.deepEqual(await resolving, [["neighbor", peerMac]]);
});

Deno.test("createLinuxCache() resolves the same addresses several times at once, and flushes among it", async () => {
  await using _other = await openLinks();
  const addresses = ["192.0.2.1", "2001:db8::1", "198.51.100.1"];
  for (let i = 0; i < 10; i++) {
    await ip(null, entries);
    const results = [1, 2, 3].map(() => states("resolve", addresses));
    const flushes = [
      createLinuxCache().flush("all"),
      createLinuxCache().flush([parsePrefix("192.0.2.1")]),
    ];
    for (const found of await Promise.all(results)) {
      assert.deepEqual(found, addresses.map(() => ["neighbor", peerMac]));
    }
    await Promise.all(flushes);
  }
});

Deno.test("createLinuxCache().resolve() takes the source's link for a link-local address", async () => {
  await using other = await openLinks();
  await ip(other, ["addr add fe80::1/64 dev e0 nodad", "addr add fe80::1/64 dev e1 nodad"]);
  await ip(other, ["link set e1 address 02:00:00:00:00:03"]);
  const cache = createLinuxCache();
  const resolve = async (source?: string) => {
    const from = source === undefined ? undefined : parsePrefix(source);
    const [report] = await cache.resolve([parsePrefix("fe80::1")], from);
    return formatLinkLayerAddress(report.linkLayerAddress);
  };
  assert.equal(await resolve("192.0.2.1"), peerMac);
  assert.equal(await resolve("198.51.100.1"), "02:00:00:00:00:03");
});

Deno.test("createLinuxCache().gateways() names those of both families", async () => {
  await using _other = await openLinks();
  assert.deepEqual(await createLinuxCache().gateways(), []);
  await ip(null, [
    "route add default nexthop via 192.0.2.1 dev e0 nexthop via 198.51.100.1 dev e1",
    "route add default via 192.0.2.2 metric 50",
  ]);
  await ip(null, ["route add ::/0 via fe80::1 dev e0"]);
  const gateways = (await createLinuxCache().gateways()).map(formatAddress).sort();
  assert.deepEqual(gateways, ["192.0.2.1", "192.0.2.2", "198.51.100.1", "fe80::1"]);
});

Deno.test("createLinuxCache().nextHops() names those of all routes, default or not", async () => {
  await using _other = await openLinks();
  assert.deepEqual(await createLinuxCache().nextHops(), []);
  await ip(null, [
    "route add 10.0.0.0/8 via 192.0.2.1",
    "route add 10.9.0.0/16 nexthop via 192.0.2.2 dev e0 nexthop via 198.51.100.1 dev e1",
    "route add 172.16.0.0/12 via 192.0.2.3 table 100",
  ]);
  await ip(null, ["route add 2001:db8:9::/48 via fe80::1 dev e0"]);
  const hops = (await createLinuxCache().nextHops()).map(formatAddress).sort();
  assert.deepEqual(hops, ["192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1", "fe80::1"]);
});

Deno.test("createLinuxCache() works while an interface is down, which is then no link of the host's", async () => {
  await using _other = await openLinks();
  await ip(null, ["link set e1 down"]);
  assert.equal((await createLinuxCache().flush("all")).removed, 0);
  assert.deepEqual(await states("resolve", ["198.51.100.1"]), [["not concerned"]]);
});
