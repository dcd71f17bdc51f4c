import assert from "node:assert/strict";
import { createSdNotify, logToSystem } from "../../lib/unix_datagram.ts";
import { inFolder } from "../support/command.ts";

const text = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

const isUnix = Deno.build.os === "linux";

/** A listener at a path of its own; gives each datagram as text. */
async function withListener(
  test: (path: string, line: () => Promise<string>) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const path = `${folder}/socket`;
    const listener = Deno.listenDatagram({ transport: "unixpacket", path });
    try {
      await test(path, async () => text((await listener.receive())[0]));
    } finally {
      listener.close();
    }
  });
}

Deno.test({
  name: "createSdNotify() sends states to the socket at a path",
  ignore: !isUnix,
  fn: () =>
    withListener(async (path, state) => {
      await createSdNotify(path, (error) => assert.fail(String(error)))("READY=1");
      assert.equal(await state(), "READY=1");
    }),
});

Deno.test("createSdNotify() does nothing without a socket, and tells of one that isn't there", async () => {
  const failures: unknown[] = [];
  for (const name of [undefined, "", "/nonexistent/notify"]) {
    await createSdNotify(name, (error) => void failures.push(error))("READY=1");
  }
  assert.equal(failures.length, 1);
});

Deno.test({
  name: "logToSystem() sends one datagram to the first logger that listens, with its severity",
  ignore: !isUnix,
  fn: () =>
    withListener((path, line) =>
      withListener(async (other) => {
        for (
          const [severity, priority] of [["info", 30], ["warning", 28], ["error", 27]] as const
        ) {
          assert.equal(await logToSystem(severity, "all", [`${path}.none`, path, other]), true);
          assert.equal(await line(), `<${priority}>arpflush[${Deno.pid}]: all`);
        }
      })
    ),
});

Deno.test({
  name: "logToSystem() sends one line of at most 1,024 bytes, cut at a character",
  ignore: !isUnix,
  fn: () =>
    withListener(async (path, line) => {
      await logToSystem("info", "a\nb\0c", [path]);
      assert.match(await line(), /: a\?b\?c$/);
      await logToSystem("info", "é".repeat(2000), [path]);
      const long = await line();
      assert.match(long, /^<30>arpflush\[\d+\]: é+$/);
      assert.ok([1023, 1024].includes(new TextEncoder().encode(long).length));
    }),
});

Deno.test({
  name: "logToSystem() uses a stream where a logger listens for streams",
  ignore: !isUnix,
  fn: () =>
    inFolder(async (folder) => {
      const path = `${folder}/log`;
      using logger = Deno.listen({ transport: "unix", path });
      const logged = logToSystem("warning", "all", [path]);
      using connection = await logger.accept();
      const buffer = new Uint8Array(200);
      const length = await connection.read(buffer);
      assert.equal(await logged, true);
      assert.equal(text(buffer.subarray(0, length ?? 0)), `<28>arpflush[${Deno.pid}]: all\0`);
    }),
});

Deno.test({
  name: "logToSystem() doesn't wait long for a logger that has stopped reading",
  ignore: !isUnix,
  fn: () =>
    withListener(async (path) => {
      let taken = 0;
      while (await logToSystem("info", "x", [path])) taken++;
      assert.ok(taken > 0);
    }),
});
