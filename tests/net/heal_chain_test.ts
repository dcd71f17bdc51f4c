/** From the router's command line to the host's kernel table and back. */
import assert from "node:assert/strict";
import { until } from "../support/command.ts";
import { ip, plug } from "../support/namespaces.ts";
import {
  deadMac,
  entry,
  heals,
  type Host,
  isRight,
  openSegment,
  routerMac,
  virtualAddresses,
} from "./chain.ts";

/** Waits until the kernel has an address at a link-layer address. */
const becomes = (host: Host, address: string, linkLayerAddress: string | null) =>
  until(
    async () => await host.linkLayerAddressOf(address) === linkLayerAddress,
    `${address} at ${linkLayerAddress}`,
    5_000,
  );

Deno.test("send.ts -a heals both families on a host, and its report says so", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const service = await host.serve();
  await host.goStale();
  await entry(host, "192.0.2.50", deadMac, "permanent");
  const { code, stdout, stderr } = await segment.send("-a", "--expect", "1");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^host0 +192\.0\.2\.100 +\d+ +[2-4] +healed$/m);
  for (const address of virtualAddresses) {
    await isRight(host, address);
  }
  assert.equal(await host.linkLayerAddressOf("192.0.2.50"), deadMac);
  // Its entries are deleted beside the flush of all, which may count them too.
  await service.line(/Flushed all for .*: [0-2] entries removed/);
  assert.equal(await service.stop(), 0);
});

Deno.test("send.ts --only flushes the router's addresses and nothing else", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve();
  await host.goStale();
  await entry(host, "192.0.2.51", deadMac, "reachable");
  const { code, stdout, stderr } = await segment.send("-a", "--only", "--expect", "1");
  assert.equal(code, 0, stdout + stderr);
  await isRight(host, "192.0.2.1");
  assert.equal(await host.linkLayerAddressOf("192.0.2.51"), deadMac);
});

Deno.test("send.ts --probe names a stuck host and changes nothing", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve();
  await host.goStale();
  const { code, stdout } = await segment.send("-a", "--probe", "--expect", "1");
  assert.equal(code, 3);
  assert.match(stdout, /^host0 .* STUCK 192\.0\.2\.1 at 02:00:00:00:00:99/m);
  assert.equal(await host.linkLayerAddressOf("192.0.2.1"), deadMac);
});

Deno.test("send.ts counts a host with two interfaces once, and heals both", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await ip(null, ["addr add 198.51.100.1/24 dev br0"]);
  const second = { namespace: host.namespace, name: "e1", addresses: ["198.51.100.100/24"] };
  await plug(second, "second", "br0");
  await host.serve();
  await host.goStale();
  await entry(host, "198.51.100.1", deadMac, "stale", "e1");
  const { code, stdout, stderr } = await segment.send("-a", "-c", "2", "-i", "200ms", "-w", "1");
  assert.equal(code, 0, stderr);
  assert.equal(stdout.match(/^host0 /gm)?.length, 1);
  assert.match(stdout, / \+1 .* healed$/m);
  await isRight(host, "192.0.2.1");
  await isRight(host, "198.51.100.1");
});

Deno.test("service.ts heals by RefreshAddresses without any datagram", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve(['RefreshAddresses = ["192.0.2.1", "2001:db8::1"]', "RefreshSeconds = 1"]);
  await host.goStale();
  for (const address of virtualAddresses) await becomes(host, address, routerMac);
});

Deno.test("service.ts heals for the 2009 datagram where a password is set", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve(['Password = "TopSecret!"']);
  await host.goStale();
  const { code, stderr } = await segment.sendWithoutKey("-a", "-P", "TopSecret!", "-c", "1");
  assert.equal(code, 0, stderr);
  // It asks for no report, so nothing resolves the address again: the entry is just gone.
  await becomes(host, "192.0.2.1", null);
});

Deno.test("service.ts flushes whatever its environment has for the loader of programs", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve([], ["env", "LD_LIBRARY_PATH=/opt/db/lib", "LD_PRELOAD="]);
  await heals(segment, host);
});

Deno.test("service.ts hears requests again after the address it listens on was away", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve(['Listen = "192.0.2.100"']);
  await ip(host.namespace, ["addr del 192.0.2.100/24 dev e0", "addr add 192.0.2.100/24 dev e0"]);
  await host.goStale();
  const { code, stdout, stderr } = await segment.send("192.0.2.100", "--expect", "1");
  assert.equal(code, 0, stdout + stderr);
});

Deno.test("service.ts hears each address of Listen by itself, and answers from there", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const service = await host.serve(['Listen = ["192.0.2.100", "2001:db8::77", "192.0.2.77"]']);
  await service.line(/Cannot listen on 192\.0\.2\.77 port \d+: .*other addresses are heard/);

  async function answersFrom(address: string): Promise<void> {
    const { stdout, stderr } = await segment.send(address, "--probe", "--json", "--expect", "1");
    const { hosts }: { hosts: { addresses: string[] }[] } = JSON.parse(stdout);
    assert.deepEqual(hosts.map(({ addresses }) => addresses), [[address]], stderr);
  }

  await answersFrom("192.0.2.100");
  await ip(host.namespace, [
    "addr add 192.0.2.77/24 dev e0",
    "addr add 2001:db8::77/64 dev e0 nodad",
  ]);
  await service.line(/Listening on 192\.0\.2\.77/);
  // An ack by a socket at all addresses would come from the first of them.
  for (const address of ["192.0.2.77", "2001:db8::77", "192.0.2.100"]) await answersFrom(address);
});

const count = 20;

Deno.test(`one broadcast heals ${count} hosts, each counted once`, async () => {
  await using segment = await openSegment();
  const hosts = [];
  for (let i = 0; i < count; i++) hosts.push(await segment.host());
  await Promise.all(hosts.map((host) => host.serve()));
  for (const host of hosts) await host.goStale();
  const { code, stdout, stderr } = await segment.send("-a", "--expect", String(count));
  assert.equal(code, 0, stdout + stderr);
  const healed = stdout.match(/^host\d+ .* healed$/gm) ?? [];
  assert.equal(new Set(healed.map((line) => line.split(" ")[0])).size, count);
  assert.equal(healed.length, count);
  for (const host of hosts) {
    await isRight(host, "192.0.2.1");
  }
});
