/** A stand-in of tests/windows/standin in the place of one of Wine's own DLLs. */
import { built } from "./built.ts";
import type { WineSession } from "./session.ts";

/**
 * Builds a stand-in by its script, and has programs started from now on load it. Wine's own comes
 * along under another name: the stand-in passes on to it what it doesn't do itself.
 */
export async function replaceDll(
  session: WineSession,
  name: string,
  script: string,
  ...args: readonly string[]
): Promise<void> {
  const folder = await built(session, `tests/windows/standin/${script}`, ...args);
  const { code, stderr } = await session.unix([
    "sh",
    "-c",
    `cp "$0"/*.dll /prefix/drive_c/windows/system32/`,
    folder,
  ]);
  if (code !== 0) throw new Error(`Cannot place the stand-in of ${name}: ${stderr}`);
  await chooseDll(session, name, "native");
}

/** Has programs started from now on load Wine's own DLL (builtin), or the stand-in (native). */
export async function chooseDll(session: WineSession, name: string, whose: "native" | "builtin") {
  const value = ["HKCU\\Software\\Wine\\DllOverrides", "/v", name, "/d", whose, "/f"];
  const { code, stderr } = await session.wine(["reg", "add", ...value]);
  if (code !== 0) throw new Error(`Cannot set ${name} to ${whose}: ${stderr}`);
}
