/** Whether Wine can be run here. */
import { cachePath } from "./paths.ts";

/** What this machine lacks for Wine as setup.sh builds it, in words, or null. */
export async function wineLack(): Promise<string | null> {
  const isThere = await Deno.stat(`${cachePath}/wine/stamp`).then(() => true, () => false);
  return isThere ? null : "Wine: run tests/windows/wine/setup.sh as root";
}
