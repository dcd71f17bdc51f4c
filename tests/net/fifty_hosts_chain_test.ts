/** Fifty hosts on one Ethernet, each with a kernel table and a service process of its own. */
import assert from "node:assert/strict";
import { openSegment, routerMac } from "./chain.ts";

const count = 50;

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
    assert.equal(await host.linkLayerAddressOf("192.0.2.1"), routerMac);
  }
});
