import assert from "node:assert/strict";
import { createSdNotify } from "../../../lib/unix_datagram.ts";
import { reloadingState } from "../../../lib/service/console.ts";

const linux = Deno.build.os === "linux";
const decoder = new TextDecoder();

Deno.test({
  name: "createSdNotify() sends states to a path and to an abstract name",
  ignore: !linux,
  async fn() {
    const folder = await Deno.makeTempDir();
    const name = `arpflush-test-${crypto.randomUUID()}`;
    for (const [socketName, path] of [[`${folder}/s`, `${folder}/s`], [`@${name}`, `\0${name}`]]) {
      const manager = Deno.listenDatagram({ transport: "unixpacket", path });
      const sdNotify = createSdNotify(socketName, (error) => assert.fail(String(error)));
      await sdNotify("READY=1");
      const [bytes] = await manager.receive();
      assert.equal(decoder.decode(bytes), "READY=1");
      manager.close();
    }
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("createSdNotify() does nothing without a socket, and tells of one that isn't there", async () => {
  const failures: unknown[] = [];
  for (const name of [undefined, "", "/nonexistent/notify"]) {
    await createSdNotify(name, (error) => void failures.push(error))("READY=1");
  }
  assert.equal(failures.length, 1);
});

Deno.test("reloadingState() gives a time that is not before now", () => {
  const [reloading, time] = reloadingState(123).split("\n");
  assert.equal(reloading, "RELOADING=1");
  assert.equal(time, "MONOTONIC_USEC=124000000");
});
