/** What differs between the systems that the sender runs on. */

/** Windows, or all others. */
export type Platform = "windows" | "unix";

/** The system that this is. */
export const platform: Platform = Deno.build.os === "windows" ? "windows" : "unix";

const keyFiles: Readonly<Record<Platform, string>> = {
  unix: "/etc/arpflush/key",
  windows: "C:\\ProgramData\\ArpFlush\\key",
};

/** Where the key file is unless `--key-file` names another; the service looks in the same place. */
export function keyFileOn(platform: Platform): string {
  return keyFiles[platform];
}
