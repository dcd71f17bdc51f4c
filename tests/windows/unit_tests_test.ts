/** The unit tests of the rooms that Windows runs, by deno.exe under Wine. Needs root and setup.sh. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { denoExe, openWineSession } from "./wine/session.ts";

const rooms = ["wire", "win32", "config", "log", "neighbors", "receiver", "metrics"];
const folders = [...rooms.map((room) => `tests/unit/${room}`), "tests/unit/files_test.ts"];

/** A number of Deno's last line, "ok | 5 passed (2 steps) | 0 failed | 1 ignored | 7 filtered out". */
function counted(what: string, stdout: string): number {
  const summary = stdout.trimEnd().split("\n").findLast((line) => line.includes(" passed")) ?? "";
  return Number(new RegExp(`(\\d+) ${what}`).exec(summary)?.[1] ?? 0);
}

Deno.test("the unit tests pass on deno.exe", async () => {
  // Loads all of them here, which fetches their packages for deno.exe, and runs none.
  const deno = [Deno.execPath(), "test", "-q", "-P=tests", "--no-check", "--filter", "/^$/"];
  const all = counted("filtered out", await run(["env", "NO_COLOR=1", ...deno, ...folders]));
  await using session = await openWineSession();
  const { stdout, stderr } = await session.unix([
    ...["env", "-C", "/checkout", "NO_COLOR=1", "wine", denoExe],
    ...["test", "-q", "-A", "--no-check", "--cached-only", ...folders],
  ], { timeoutMillis: 300_000 });
  // A module that can't be loaded has no line "… FAILED (…)", but it counts as failed.
  assert.doesNotMatch(stdout, /\(uncaught error\)/);
  const failed = stdout.matchAll(/^(\S.*) \.\.\. FAILED \(\d/gm);
  assert.deepEqual(Array.from(failed, ([, name]) => name), [], stderr);
  assert.equal(counted("failed", stdout), 0);
  const [passed, ignored] = [counted("passed", stdout), counted("ignored", stdout)];
  // Windows has tests of its own besides.
  assert.ok(passed + ignored >= all, `fewer tests were run than ${all}`);
  console.log(`deno.exe under Wine: ${passed} passed, ${ignored} ignored of ${all}`);
});
