/** A network that changes under the service: it goes on where it is. */
import assert from "node:assert/strict";
import { connect, ip } from "../support/namespaces.ts";
import { heals, openSegment, plugIn } from "./chain.ts";
import { openFaultyHost } from "./faulty_host.ts";

/** The service may have read its addresses a second ago. */
const slowly = ["-i", "500ms"] as const;

Deno.test("service.ts hears an interface that was removed and came back", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const service = await host.serve();
  await host.goStale();
  await ip(null, ["link del p0"]);
  await connect({ namespace: null, name: "p0", addresses: [] }, {
    namespace: host.namespace,
    name: "e0",
    addresses: ["192.0.2.100/24", "2001:db8::100/64"],
  });
  await plugIn("p0");
  await heals(segment, host, ...slowly);
  assert.equal(service.log.filter((line) => /Started/.test(line)).length, 1);
});

Deno.test("service.ts follows its host to another address and network", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve();
  await heals(segment, host, ...slowly);
  await ip(null, ["addr flush dev br0", "addr add 198.51.100.2/24 dev br0"]);
  await ip(host.namespace, ["addr flush dev e0", "addr add 198.51.100.100/24 dev e0"]);
  const { code, stdout, stderr } = await segment.send("-a", "--expect", "1", ...slowly);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^host0 +198\.51\.100\.100 /m);
});

Deno.test("service.ts says that its port is taken, and takes it when it is free", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const holder = await host.serve();
  await using faulty = await openFaultyHost(host, "port");
  await using service = await faulty.startService();
  await service.line(/Cannot listen on 0\.0\.0\.0 port 27735 yet: .*trying again/);
  await holder.stop();
  await service.line(/Started/);
  await heals(segment, host, ...slowly);
});
