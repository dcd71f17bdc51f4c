/** Which iphlpapi.dll a session's programs get: Wine's own, or the stand-in of tests/windows/standin. */
import { built } from "./built.ts";
import type { WineSession } from "./session.ts";

/**
 * Has programs started from now on load the stand-in; `lacking`: without that export. Wine's own comes along
 * under another name: the stand-in passes on to it what it doesn't do itself.
 */
export async function placeStandIn(session: WineSession, lacking?: string): Promise<void> {
  const args = lacking === undefined ? [] : [lacking];
  const folder = await built(session, "tests/windows/standin/build_ip_helper.sh", ...args);
  const copy = `cp "$0"/*.dll /prefix/drive_c/windows/system32/`;
  const { code, stderr } = await session.unix(["sh", "-c", copy, folder]);
  if (code !== 0) throw new Error(`Cannot place the stand-in of iphlpapi.dll: ${stderr}`);
  await useIpHelper(session, "native");
}

/** Has programs started from now on load Wine's own DLL (builtin), or the stand-in (native). */
export async function useIpHelper(session: WineSession, whose: "native" | "builtin") {
  const value = ["HKCU\\Software\\Wine\\DllOverrides", "/v", "iphlpapi", "/d", whose, "/f"];
  const { code, stderr } = await session.wine(["reg", "add", ...value]);
  if (code !== 0) throw new Error(`Cannot set iphlpapi to ${whose}: ${stderr}`);
}
