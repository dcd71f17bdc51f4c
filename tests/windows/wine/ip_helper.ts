/** Which iphlpapi.dll a session's programs get: Wine's own, or the stand-in of tests/windows/standin. */
import type { WineSession } from "./session.ts";

/** Builds the stand-in and puts it in place; `lacking`: without that export. */
export async function buildStandIn(session: WineSession, lacking?: string): Promise<void> {
  const script = ["sh", "/checkout/tests/windows/standin/build.sh"];
  const { code, stderr } = await session.unix(
    lacking === undefined ? script : [...script, lacking],
  );
  if (code !== 0) throw new Error(`Cannot build the stand-in: ${stderr}`);
}

/** Has programs started from now on load Wine's own DLL (builtin), or the stand-in (native). */
export async function useIpHelper(session: WineSession, whose: "native" | "builtin") {
  const value = ["HKCU\\Software\\Wine\\DllOverrides", "/v", "iphlpapi", "/d", whose, "/f"];
  const { code, stderr } = await session.wine(["reg", "add", ...value]);
  if (code !== 0) throw new Error(`Cannot set iphlpapi to ${whose}: ${stderr}`);
}
