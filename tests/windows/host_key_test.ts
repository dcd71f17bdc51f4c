/**
 * The host's key in Wine's registry, which keeps no access rights of keys: that the calls are right,
 * not what Windows makes of them. Needs root and wine/setup.sh.
 */
import assert from "node:assert/strict";
import { openWineSession, runLibProgram } from "./wine/session.ts";

Deno.test("createHostKeyRegistry() makes a key once, and reads what it has kept", async () => {
  await using session = await openWineSession();
  const place = "HKLM\\SOFTWARE\\NPSL\\ArpFlush\\HostKey";
  assert.deepEqual(await runLibProgram(session, "host-key"), {
    before: null,
    kept: "07".repeat(32),
    again: `Cannot write host key ${place}: it is there already`,
    own: "S-1-5-21-0-0-0-1000", // Wine's only account.
  });
});
