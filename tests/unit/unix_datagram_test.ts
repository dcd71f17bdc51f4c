import assert from "node:assert/strict";
import { createSdNotify } from "../../lib/unix_datagram.ts";
import { inFolder } from "../support/command.ts";

Deno.test({
  name: "createSdNotify() sends states to the socket at a path",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      const path = `${folder}/s`;
      const manager = Deno.listenDatagram({ transport: "unixpacket", path });
      await createSdNotify(path, (error) => assert.fail(String(error)))("READY=1");
      const [bytes] = await manager.receive();
      assert.equal(new TextDecoder().decode(bytes), "READY=1");
      manager.close();
    }),
});

Deno.test("createSdNotify() does nothing without a socket, and tells of one that isn't there", async () => {
  const failures: unknown[] = [];
  for (const name of [undefined, "", "/nonexistent/notify"]) {
    await createSdNotify(name, (error) => void failures.push(error))("READY=1");
  }
  assert.equal(failures.length, 1);
});
