/** The service with the rights that packaging/arpflush.service leaves it, on a real kernel table. */
import assert from "node:assert/strict";
import { heals, notifySocket, openSegment, rightsOfUnit } from "./chain.ts";

Deno.test("service.ts heals with CAP_NET_ADMIN as its only capability, and says that it is ready", async () => {
  await Deno.mkdir("/run/systemd", { recursive: true });
  const manager = Deno.listenDatagram({ transport: "unixpacket", path: notifySocket });
  const next = async () => new TextDecoder().decode((await manager.receive())[0]);
  try {
    await using segment = await openSegment();
    const host = await segment.host();
    const argv = ["env", `NOTIFY_SOCKET=${notifySocket}`, ...rightsOfUnit];
    const service = await host.serve([], { argv });
    assert.equal(await next(), "READY=1");
    await heals(segment, host);
    service.kill("SIGHUP");
    await service.line(/Reloaded/);
    assert.match(await next(), /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    assert.equal(await next(), "READY=1");
    assert.equal(await service.stop(), 0);
    assert.equal(await next(), "STOPPING=1");
  } finally {
    manager.close();
    await Deno.remove(notifySocket);
  }
});
