/** Programs that tests of packages need, and that not every machine has. */
import { isInstalled } from "../support/command.ts";

/** Whether tests that need these programs are to be ignored here; says which one is missing. */
export async function ignoreWithout(...programs: readonly string[]): Promise<boolean> {
  for (const program of programs) {
    if (await isInstalled(program)) continue;
    console.log(`${program} is not here: what needs it is not tested`);
    return true;
  }
  return false;
}
