/**
 * The host's key in Wine's registry, which keeps no access rights of keys: that the calls are right,
 * not what Windows makes of them. Needs root and wine/setup.sh.
 */
import assert from "node:assert/strict";
import { denoExe, openWineSession, windowsPath } from "./wine/session.ts";

Deno.test("createHostKeyRegistry() makes a key once, and reads what it has kept", async () => {
  await using session = await openWineSession();
  const program = windowsPath("/checkout/tests/windows/wine/host_key_program.ts");
  const { stdout, stderr } = await session.wine([
    denoExe,
    ...["run", "-q", "-A", "--no-check", "--cached-only", program],
  ]);
  const { before, kept, again } = JSON.parse(stdout || `"${stderr}"`);
  assert.equal(before, null);
  assert.equal(kept, "07".repeat(32));
  assert.match(again, /^Cannot write host key HKLM\\.*\\HostKey: it is there already$/);
});
