/** The unit tests of the rooms that Windows runs, by deno.exe under Wine. Needs root and setup.sh. */
import assert from "node:assert/strict";
import { denoExe, openWineSession } from "./wine/session.ts";

const rooms = ["wire", "win32", "config", "log", "neighbors", "receiver"];

/** Tests of what only Linux has: its words for a missing file, a socket for both families. */
const onlyLinux = [
  "loadSettingsFile\\(\\) takes a file that is empty, and names one that isn't there",
  "startReceiver\\(\\) hears IPv4 and IPv6 on a dual-stack socket and answers both",
];

Deno.test("the unit tests pass on deno.exe", async () => {
  await using session = await openWineSession();
  const { code, stdout, stderr } = await session.unix([
    ...["env", "-C", "/checkout", "NO_COLOR=1", "wine", denoExe],
    ...["test", "-q", "-A", "--no-check", "--cached-only"],
    `--filter=/^(?!${onlyLinux.join("$|")}$)/`,
    ...rooms.map((room) => `tests/${room}`),
  ], { timeoutMillis: 300_000 });
  const summary = /(\d+) passed.*\| (\d+) failed/.exec(stdout);
  const failed = stdout.split("\n").filter((line) => line.endsWith("FAILED"));
  assert.equal(code, 0, `${failed.join("\n")}\n${stderr}`.trim());
  assert.ok(Number(summary?.[1]) > 400, `too few tests were run: ${summary?.[0]}`);
  console.log(`deno.exe under Wine: ${summary?.[0]}`);
});
