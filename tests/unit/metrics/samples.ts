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

/** What a metrics file says, for tests. */

/** Values by everything before them: `name{label="text"}`. Throws an Error for half a file. */
export function samplesOf(text: string): Map<string, number> {
  if (!text.endsWith("\n")) throw new Error(`The file ends in the middle of a line: ${text}`);
  const samples = new Map<string, number>();
  for (const line of text.trimEnd().split("\n")) {
    if (line.startsWith("#")) continue;
    const [, name, value] = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`"${line}" is not a sample`);
    samples.set(name, Number(value));
  }
  return samples;
}

/** A sample of requests by outcome and reason. */
export function requests(outcome: string, reason = ""): string {
  return `arpflush_requests_total{outcome="${outcome}",reason="${reason}"}`;
}
