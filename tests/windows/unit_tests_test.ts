/** The unit tests of the rooms that Windows runs, by deno.exe under Wine. Needs root and setup.sh. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { denoExe, openWineSession } from "./wine/session.ts";

const rooms = ["wire", "win32", "config", "log", "neighbors", "receiver", "metrics"];

/** Tests of what only Linux has: its words for a missing file, a socket for both families. */
const onlyLinux = [
  "loadSettingsFile() takes a file that is empty, and names one that isn't there",
  "startReceiver() hears IPv4 and IPv6 on a dual-stack socket and answers both",
];

Deno.test("the unit tests pass on deno.exe, but for what only Linux has", async () => {
  // deno.exe finds the packages that this Deno has; this file imports those of the tests.
  await run([Deno.execPath(), "cache", "-q", "tests/unit/wire/request_test.ts"]);
  await using session = await openWineSession();
  const { stdout, stderr } = await session.unix([
    ...["env", "-C", "/checkout", "NO_COLOR=1", "wine", denoExe],
    ...["test", "-q", "-A", "--no-check", "--cached-only"],
    ...rooms.map((room) => `tests/unit/${room}`),
  ], { timeoutMillis: 300_000 });
  const failed = stdout.matchAll(/^(.*) \.\.\. FAILED \(\d/gm);
  const failures = Array.from(failed, ([, name]) => name).filter((name) => !name.startsWith("  "));
  assert.deepEqual(failures.sort(), onlyLinux, stderr);
  const summary = Array.from(stdout.matchAll(/(\d+) passed.*\| (\d+) failed.*/g)).at(-1);
  assert.ok(Number(summary?.[1]) > 400, `too few tests were run: ${summary?.[0]}`);
  console.log(`deno.exe under Wine: ${summary?.[0]}`);
});
