/** Prometheus' own judge of metrics and rules. */
import { isInstalled, outcomeOf } from "../../support/command.ts";

/** Whether this machine has it; the tests that need it are skipped otherwise. */
export const hasPromtool: boolean = await isInstalled("promtool");
if (!hasPromtool) console.log("promtool is not here: nothing is checked by it");

/** Runs it; `output` is all that it said. */
export async function promtool(
  args: readonly string[],
  input = "",
  cwd?: string,
): Promise<{ readonly success: boolean; readonly output: string }> {
  const { code, stdout, stderr } = await outcomeOf(["promtool", ...args], { input, cwd });
  return { success: code === 0, output: stdout + stderr };
}
