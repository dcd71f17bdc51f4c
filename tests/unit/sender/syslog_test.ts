import assert from "node:assert/strict";
import { logToSystem, syslogDatagram } from "../../../lib/sender/syslog.ts";

const text = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

Deno.test("syslogDatagram() has facility daemon, the severity, tag and process id", () => {
  assert.equal(text(syslogDatagram("info", "all well", 7)), "<30>arpflush[7]: all well");
  assert.equal(text(syslogDatagram("warning", "x", 7)), "<28>arpflush[7]: x");
  assert.equal(text(syslogDatagram("error", "x", 7)), "<27>arpflush[7]: x");
});

Deno.test("syslogDatagram() is one line of at most 1,024 bytes, cut at a character", () => {
  assert.equal(text(syslogDatagram("info", "a\nb\0c", 7)), "<30>arpflush[7]: a?b?c");
  const long = text(syslogDatagram("info", "é".repeat(2000), 7));
  assert.match(long, /^<30>arpflush\[7\]: é+$/);
  assert.equal(new TextEncoder().encode(long).length, 1023);
});

const isUnix = Deno.build.os === "linux";

Deno.test({
  name: "logToSystem() sends one datagram to the first logger that listens",
  ignore: !isUnix,
  async fn() {
    const folder = await Deno.makeTempDir();
    const [first, second] = ["log1", "log2"].map((name) =>
      Deno.listenDatagram({ transport: "unixpacket", path: `${folder}/${name}` })
    );
    try {
      const paths = [`${folder}/none`, `${folder}/log1`, `${folder}/log2`];
      assert.equal(await logToSystem("warning", "db1 STUCK", paths), true);
      const [bytes] = await first.receive();
      assert.equal(text(bytes), `<28>arpflush[${Deno.pid}]: db1 STUCK`);
    } finally {
      first.close();
      second.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("logToSystem() gives up without an error when nobody listens", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/file`, "");
    const paths = [`${folder}/none`, `${folder}/file`, folder];
    assert.equal(await logToSystem("info", "x", paths), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "logToSystem() doesn't wait long for a logger that has stopped reading",
  ignore: !isUnix,
  async fn() {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/log`;
    const stalled = Deno.listenDatagram({ transport: "unixpacket", path });
    try {
      let taken = 0;
      while (await logToSystem("info", "x", [path])) taken++;
      assert.ok(taken > 0);
    } finally {
      stalled.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
