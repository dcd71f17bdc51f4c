/** An event log that keeps events, which Wine's own doesn't, read back through its API. */
import assert from "node:assert/strict";
import type { StoredEvent } from "../../unit/win32/event_log_record.ts";
import { denoExe, windowsPath, type WineSession } from "./session.ts";
import { replaceDll } from "./stand_in.ts";

const program = windowsPath("/checkout/tests/windows/wine/kept_events_program.ts");
const logKey = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application";

/** Has programs started from now on load the stand-in advapi32.dll, whose log is empty. */
export async function keepEvents(session: WineSession): Promise<void> {
  await replaceDll(session, "advapi32", "build_event_log.sh");
}

/** All events of the Application log, the oldest first. */
export async function keptEvents(session: WineSession): Promise<readonly StoredEvent[]> {
  const run = ["run", "-q", "-A", "--cached-only", program];
  const { code, stdout, stderr } = await session.wine([denoExe, ...run]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** The most bytes of the log, beyond which it refuses events. */
export async function limitLog(session: WineSession, bytes: number): Promise<void> {
  const value = [logKey, "/v", "MaxSize", "/t", "REG_DWORD", "/d", String(bytes), "/f"];
  const { code, stderr } = await session.wine(["reg", "add", ...value]);
  assert.equal(code, 0, stderr);
}
