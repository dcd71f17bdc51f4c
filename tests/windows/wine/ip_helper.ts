/** Which iphlpapi.dll a session's programs get: Wine's own, or the stand-in of tests/windows/standin. */
import type { WineSession } from "./session.ts";
import { chooseDll, replaceDll } from "./stand_in.ts";

/** Puts the stand-in in the place of Wine's own; `lacking`: without that export. */
export async function placeStandIn(session: WineSession, lacking?: string): Promise<void> {
  const args = lacking === undefined ? [] : [lacking];
  await replaceDll(session, "iphlpapi", "build_ip_helper.sh", ...args);
}

/** Has programs started from now on load Wine's own DLL (builtin), or the stand-in (native). */
export async function useIpHelper(session: WineSession, whose: "native" | "builtin") {
  await chooseDll(session, "iphlpapi", whose);
}
