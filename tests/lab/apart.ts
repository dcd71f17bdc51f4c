/** Programs and scripts of the lab that are played in namespaces of their own. */
import { messageOf } from "../../lib/errors.ts";
import { pack } from "../../packaging/pack.ts";
import { type CommandLine, type CommandOutcome, outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";

/** A lab takes a minute or two; after this it hangs and is ended. */
const timeoutMs = 240_000;

/** dist/arpflush, once a process. */
let packed: Promise<void> | null = null;

/**
 * Packs dist/arpflush, runs a module of the lab apart, with an argument as JSON, and gives its result.
 * `before` is put before its command line. Rejects when it can't be done or takes too long; the error
 * says why.
 */
export async function playApart<Result>(
  module: string,
  argument: unknown,
  before: CommandLine = [],
): Promise<Result> {
  const isolation = await findIsolation();
  if ("missing" in isolation) throw new Error(`Cannot run the lab without ${isolation.missing}`);
  await (packed ??= pack("dist/arpflush"));
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", module];
  const line = [...before, ...isolation.argv, ...deno, JSON.stringify(argument)];
  // /run is the lab's own, and goes with it.
  const options = { env: { TMPDIR: "/run" }, signal: AbortSignal.timeout(timeoutMs) };
  const { code, stdout, stderr } = await outcomeOf(line, options);
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

/** Runs a shell script of this folder in namespaces of its own, as root, for that many seconds at most. */
export function runScript(
  script: string,
  args: readonly string[],
  seconds: number,
): Promise<CommandOutcome> {
  const unshare = "unshare --net --uts --mount --pid --fork --kill-child --mount-proc".split(" ");
  const line = [...unshare, "bash", `${import.meta.dirname}/${script}`, ...args];
  return outcomeOf(line, { signal: AbortSignal.timeout(seconds * 1_000) });
}

/** A script's output by section: `--- NAME` is before the lines of each. */
export function sectionsOf(text: string): Readonly<Record<string, readonly string[]>> {
  const sections = text.split(/^--- /m).slice(1).map((section) => {
    const [name, ...lines] = section.trimEnd().split("\n");
    return [name, lines];
  });
  return Object.fromEntries(sections);
}
