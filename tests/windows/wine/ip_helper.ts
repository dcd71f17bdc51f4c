/** Which iphlpapi.dll a session's programs get: Wine's own, or the stand-in of tests/windows/standin. */
import { built } from "./built.ts";
import type { WineSession } from "./session.ts";

/** Wine's own comes along: the stand-in passes on to it what it doesn't do itself. */
const libraries = ["iphlpapi.dll", "iphlporig.dll"];

/** Puts the stand-in in the place of Wine's own; `lacking`: without that export. */
export async function placeStandIn(session: WineSession, lacking?: string): Promise<void> {
  const args = lacking === undefined ? [] : [lacking];
  const folder = await built(session, "tests/windows/standin/build.sh", ...args);
  const files = libraries.map((name) => `${folder}/${name}`);
  const { code, stderr } = await session.unix([
    "cp",
    ...files,
    "/prefix/drive_c/windows/system32/",
  ]);
  if (code !== 0) throw new Error(`Cannot place the stand-in: ${stderr}`);
  await useIpHelper(session, "native");
}

/** Has programs started from now on load Wine's own DLL (builtin), or the stand-in (native). */
export async function useIpHelper(session: WineSession, whose: "native" | "builtin") {
  const value = ["HKCU\\Software\\Wine\\DllOverrides", "/v", "iphlpapi", "/d", whose, "/f"];
  const { code, stderr } = await session.wine(["reg", "add", ...value]);
  if (code !== 0) throw new Error(`Cannot set iphlpapi to ${whose}: ${stderr}`);
}
