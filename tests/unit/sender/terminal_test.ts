/** The sender on a real terminal: util-linux's `script` lends one. */
import assert from "node:assert/strict";
import { ack } from "./helpers.ts";
import { runCommand, senderCommand, withFolder } from "./sender_process.ts";
import { startStandInHost } from "./stand_in_host.ts";

async function hasScript(): Promise<boolean> {
  try {
    return (await runCommand(["script", "--version"])).stdout.includes("util-linux");
  } catch {
    return false;
  }
}

const ignore = !await hasScript();

/** What a run on a terminal of this kind shows; the exit code is the run's. */
async function onTerminal(args: readonly string[], env: Record<string, string> = {}) {
  const line = [...senderCommand, ...args].map((word) => `'${word}'`).join(" ");
  return await runCommand(["script", "-qec", line, "/dev/null"], {
    env: { TERM: "xterm", NO_COLOR: "", ...env },
  });
}

const up = "\x1b[1A\x1b[J";
const green = "\x1b[32m";

Deno.test({
  name: "send.ts draws a live table on a terminal, in color, and the whole one at the end",
  ignore,
  fn: () =>
    withFolder(async (_, keyFile) => {
      await using host = startStandInHost((request, n) =>
        n < 3 ? [] : [ack(request, "flushed", { host: "web1" })]
      );
      const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "-c", "3", "-i", "200ms"];
      const { code, stdout } = await onTerminal([...args, "-w", "500ms", "127.0.0.1"]);
      assert.equal(code, 0);
      assert.match(stdout, /^Flush: 1 copy to 127\.0\.0\.1; 0 hosts answered: 1 missing\r\n/);
      assert.ok(stdout.includes(`${up}Flush: 2 copies`), JSON.stringify(stdout));
      assert.ok(stdout.includes(`${green}web1  127.0.0.1 `));
      assert.match(stdout, /Flush: 3 copies to 127\.0\.0\.1; 1 host answered: 1 flushed\r\n$/);
    }),
});

for (
  const [what, env, isLive] of [
    ["NO_COLOR=1 without colors, but live", { NO_COLOR: "1" }, true],
    ["TERM=dumb once, at the end", { TERM: "dumb", NO_COLOR: "1" }, false],
  ] as const
) {
  Deno.test({
    name: `send.ts writes its table under ${what}`,
    ignore,
    fn: () =>
      withFolder(async (_, keyFile) => {
        await using host = startStandInHost((request) => [ack(request, "flushed")]);
        const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "-c", "2", "-i", "200ms"];
        const { stdout } = await onTerminal([...args, "-w", "100ms", "127.0.0.1"], env);
        assert.ok(!stdout.includes(green));
        assert.equal(stdout.includes("\x1b["), isLive, JSON.stringify(stdout));
        assert.match(stdout, /^web1 +127\.0\.0\.1 +\d+ +0 +flushed\r$/m);
      }),
  });
}

Deno.test({
  name: "send.ts --json writes its document alone, even on a terminal",
  ignore,
  fn: () =>
    withFolder(async (_, keyFile) => {
      const args = ["-k", keyFile, "-p", "9", "--no-verify", "-c", "1", "-w", "0", "--json"];
      const { code, stdout } = await onTerminal([...args, "127.0.0.1"]);
      assert.equal(code, 3);
      assert.equal(JSON.parse(stdout).exitCode, 3);
    }),
});

Deno.test({
  name: "send.ts --keygen on a terminal says where to put the key",
  ignore,
  async fn() {
    const { stdout } = await onTerminal(["--keygen"]);
    assert.match(stdout, /arpflush: umask 077; arpflush --keygen > \/etc\/arpflush\/key\r\n$/);
  },
});
