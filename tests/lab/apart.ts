/** Programs of the lab that are played in namespaces of their own: one process starts another. */
import { messageOf } from "../../lib/errors.ts";
import { outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";

/**
 * Runs a module of the lab apart, with an argument as JSON, and gives its result. Rejects when it
 * can't be done or takes too long; the error says why.
 */
export async function playApart<Result>(
  module: string,
  argument: unknown,
  timeoutMs: number,
): Promise<Result> {
  const isolation = await findIsolation();
  if ("missing" in isolation) throw new Error(`Cannot run the lab without ${isolation.missing}`);
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", module];
  // /run is the lab's own, and goes with it.
  const options = { env: { TMPDIR: "/run" }, cwd: new URL("../../", import.meta.url) };
  const signal = AbortSignal.timeout(timeoutMs);
  const line = [...isolation.argv, ...deno, JSON.stringify(argument)];
  const { code, stdout, stderr } = await outcomeOf(line, { ...options, signal });
  if (code !== 0) throw new Error(`Cannot play ${module}: ${stderr}`);
  return JSON.parse(stdout);
}

/** In such a module: plays, given the argument, hands the result over, and ends the process. */
export async function endWithResult<Argument>(
  play: (argument: Argument) => Promise<unknown>,
  log: readonly string[] = [],
): Promise<never> {
  try {
    const result = await play(JSON.parse(Deno.args[0]));
    const bytes = new TextEncoder().encode(JSON.stringify(result));
    for (let written = 0; written < bytes.length;) {
      written += Deno.stdout.writeSync(bytes.subarray(written));
    }
    Deno.exit(0);
  } catch (error) {
    console.error(messageOf(error), log.slice(-60).join("\n"));
    Deno.exit(1);
  }
}
