/** Kinds of networks, hosts and routers that a report once was wrong about, one test each. */
import assert from "node:assert/strict";
import { isInstalled, run, until } from "../support/command.ts";
import { connect, ip, plug } from "../support/namespaces.ts";
import {
  deadMac,
  entry,
  type Host,
  isRight,
  openSegment,
  reports,
  routerMac,
  withHost,
} from "./chain.ts";

const withoutPython = !await isInstalled("python3");

/** The one host that is expected ends the waiting. */
const all = ["-a", "--expect", "1"];

/** Connects the host to the router by a link of its own, `x1` there and `e1` here. */
async function secondLink(host: Host, router: readonly string[], addresses: readonly string[]) {
  await connect(
    { namespace: null, name: "x1", addresses: router, linkLayerAddress: "02:00:00:00:00:11" },
    { namespace: host.namespace, name: "e1", addresses },
  );
  return { [Symbol.asyncDispose]: async () => void await ip(null, ["link del x1"]) };
}

Deno.test("one address on two links is asked about on each", () =>
  withHost(async (segment, host) => {
    const vip = "203.0.113.9";
    await ip(null, [`addr add ${vip}/32 dev br0`]);
    await using _link = await secondLink(host, ["198.51.100.2/24", `${vip}/32`], []);
    const other = await segment.host();
    await other.serve(["HoldDownSeconds = 1"]);
    await ip(host.namespace, [
      "addr flush dev e0 scope global",
      "addr add 198.51.100.20/24 dev e1",
    ]);
    await ip(host.namespace, [`route add ${vip} dev e1 scope link`]);
    await ip(other.namespace, [`route add ${vip} dev e0 scope link`]);
    await entry(host, vip, deadMac, "permanent", "e1");
    await entry(other, vip, deadMac, "reachable");
    await reports(
      segment,
      ["-a", "--expect", "2"],
      3,
      /^host0 .* STUCK 203\.0\.113\.9 /m,
      /^host1 .* healed/m,
    );
    await entry(host, vip, deadMac, "reachable", "e1");
    await reports(segment, ["-a", "--expect", "2"], 0, /2 healed/);
  }));

Deno.test("the router's link-layer address of another link is no proof", () =>
  withHost(async (segment, host) => {
    await using _link = await secondLink(host, ["198.51.100.2/24"], []);
    await entry(host, "192.0.2.1", "02:00:00:00:00:11", "permanent");
    for (const args of [["-a"], ["-a", "--probe"], ["192.0.2.100"]]) {
      await reports(segment, args, 3, /STUCK 192\.0\.2\.1 at 02:00:00:00:00:11 \(permanent\)/);
    }
    await entry(host, "192.0.2.1", routerMac, "permanent");
    await reports(segment, ["-a"], 0, /^host0 .* healed/m);
  }));

Deno.test("the router's link-layer address of a second interface on the host's link is right", () =>
  withHost(async (segment, host) => {
    const router = { linkLayerAddress: "02:00:00:00:00:11", addresses: ["198.51.100.2/24"] };
    await plug({ namespace: null, name: "x1", ...router }, "p9", "br0");
    await run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/br0/arp_ignore"]);
    await ip(host.namespace, ["route add 198.51.100.2 dev e0 scope link"]);
    await entry(host, "198.51.100.2", deadMac, "reachable");
    try {
      await reports(segment, ["-a"], 0, /^host0 .* healed/m);
      await isRight(host, "198.51.100.2", router.linkLayerAddress);
    } finally {
      await ip(null, ["link del x1"]);
    }
  }));

Deno.test("an address that a host uses by a table of its own is looked at where that table leads", () =>
  withHost(async (segment, host) => {
    await using _link = await secondLink(host, ["198.51.100.2/24"], []);
    await ip(host.namespace, [
      "addr add 198.51.100.20/32 dev e1",
      "route add 198.51.100.0/24 dev e1 scope link table 100",
      "route add default via 198.51.100.2 dev e1 table 100",
      "rule add from 198.51.100.20 lookup 100",
    ]);
    await entry(host, "198.51.100.2", deadMac, "permanent", "e1");
    const stuck = /^host0 .* STUCK 198\.51\.100\.2 at 02:00:00:00:00:99 \(permanent\)$/m;
    await reports(segment, ["-a"], 3, stuck);
    await reports(segment, ["-a", "--probe"], 3, stuck);
    await entry(host, "198.51.100.2", deadMac, "reachable", "e1");
    await reports(segment, ["-a"], 0, /^host0 .* healed/m);
    await isRight(host, "198.51.100.2", "02:00:00:00:00:11");
  }));

Deno.test("a port of the bridge that has a link-local address hinders nothing", () =>
  withHost(async (segment, host) => {
    await run(["sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/p0/disable_ipv6"]);
    await ip(null, ["addr add fe80::22/64 dev p0 nodad"]);
    await host.goStale();
    await reports(segment, all, 0, /^host0 .* healed/m);
    await isRight(host, "192.0.2.1");
    await entry(host, "192.0.2.1", deadMac, "permanent");
    await reports(segment, all, 3, /1 host answered: 1 STUCK; host0 STUCK 192\.0\.2\.1 at/);
  }));

/** Adds an address to br0 under a label that `ip` refuses: one without the interface's name. */
const addLabelled = `import socket, struct, sys
address, length, label = socket.inet_aton(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
def attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + b"\\0" * (-len(data) % 4)
body = struct.pack("BBBBI", 2, length, 0, 0, socket.if_nametoindex("br0"))
body += attribute(2, address) + attribute(1, address) + attribute(3, label + b"\\0")
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
route.bind((0, 0))
route.send(struct.pack("IHHII", 16 + len(body), 20, 0x605, 1, 0) + body)
sys.exit(struct.unpack("i", route.recv(4096)[16:20])[0])`;

for (const own of ["192.0.2.2/24 dev br0", "192.0.2.2/24 dev br0 label br0:own"]) {
  Deno.test({
    name: `an address under a label of no interface is in question, beside ${own}`,
    ignore: withoutPython,
    fn: () =>
      withHost(async (segment, host) => {
        await ip(null, ["addr flush dev br0", `addr add ${own}`]);
        await run(["python3", "-c", addLabelled, "192.0.2.44", "32", "gw44"]);
        await entry(host, "192.0.2.44", deadMac, "permanent");
        await reports(segment, all, 3, /^host0 .* STUCK 192\.0\.2\.44 at/m);
        await entry(host, "192.0.2.44", deadMac, "reachable");
        await reports(segment, all, 0, /^host0 .* healed/m);
        await isRight(host, "192.0.2.44");
      }),
  });
}

Deno.test("a port of a bridge is this router, though it has no address of IP", () =>
  withHost(async (segment, host) => {
    const [{ address: port }] = JSON.parse(await run("ip -json link show master br0".split(" ")));
    await entry(host, "192.0.2.1", port, "permanent");
    await reports(segment, all, 0, /^host0 .* healed/m);
    await run([...host.namespace.argv, "ping", "-c", "1", "-W", "2", "192.0.2.1"]);
  }));

Deno.test("an address of IPv6 that is still tentative is no alarm to hosts that don't use it", () =>
  withHost(async (segment) => {
    const set = (name: string, value: number) =>
      run(["sh", "-c", `echo ${value} > /proc/sys/net/ipv6/conf/br0/${name}`]);
    await set("accept_dad", 1);
    await set("dad_transmits", 60);
    await ip(null, ["addr add 2001:db8::77/64 dev br0"]);
    assert.match(await ip(null, ["addr show dev br0"]), /2001:db8::77\/64 .*tentative/);
    await reports(segment, all, 0, /^host0 .* healed/m);
  }));

/** Forms of a default gateway, and the entry that is to be refreshed. */
const gateways: readonly (readonly [what: string, lines: readonly string[], gateway: string])[] = [
  ["on a /32 with a route of its own", [
    "addr flush dev e0 scope global",
    "addr add 198.51.100.7/32 dev e0",
    "route add 203.0.113.5 dev e0 scope link",
    "route add default via 203.0.113.5",
  ], "203.0.113.5"],
  ["of a peer", [
    "addr flush dev e0 scope global",
    "addr add 198.51.100.7 peer 203.0.113.5 dev e0",
    "route add default via 203.0.113.5",
  ], "203.0.113.5"],
  ["that is onlink", ["route add default via 203.0.113.5 dev e0 onlink"], "203.0.113.5"],
  ["in another table", [
    "route add default via 192.0.2.1 table 100",
    "rule add from 192.0.2.100 table 100",
  ], "192.0.2.1"],
  ["in two halves", [
    "route add 0.0.0.0/1 via 192.0.2.1",
    "route add 128.0.0.0/1 via 192.0.2.1",
  ], "192.0.2.1"],
];
for (const [what, lines, gateway] of gateways) {
  Deno.test(`RefreshAddresses resolves a gateway ${what}`, async () => {
    await using segment = await openSegment();
    await ip(null, ["addr add 203.0.113.5/32 dev br0"]);
    const host = await segment.host();
    await ip(host.namespace, lines);
    const refresh = ['RefreshAddresses = "gateway"', "RefreshSeconds = 1", "FlushOnStart = false"];
    await host.serve(refresh);
    await entry(host, gateway, deadMac, "reachable");
    const isRefreshed = async () => await host.linkLayerAddressOf(gateway) === routerMac;
    await until(isRefreshed, "a fresh entry", 10_000);
  });
}

Deno.test("a service that listens on :: hears IPv4 where bindv6only is set, too", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const { argv } = host.namespace;
  await run([...argv, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/bindv6only"]);
  await host.serve(['Listen = "::"']);
  await host.goStale();
  await reports(segment, all, 0, /^host0 .* healed/m);
});

Deno.test("a host's name is read when it answers", () =>
  withHost(async (segment, { namespace }) => {
    await run([...namespace.argv, "hostname", "renamed"]);
    await reports(segment, all, 0, /^renamed .* healed/m);
  }));

Deno.test("--interface takes an alternative name of an interface, too", () =>
  withHost(async (segment, host) => {
    await using _link = await secondLink(host, ["198.51.100.2/24"], ["198.51.100.20/24"]);
    await ip(null, ["link property add dev x1 altname enp9s0f1"]);
    const text = await reports(
      segment,
      [...all, "--interface", "enp9s0f1", "--json"],
      0,
    );
    const { targets } = JSON.parse(text);
    assert.deepEqual(targets.map(({ target }: { target: string }) => target), ["198.51.100.255"]);
    await reports(segment, [...all, "--interface", "nowhere"], 2, /No interface "nowhere"/);
  }));
