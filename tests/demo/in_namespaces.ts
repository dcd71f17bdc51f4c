/** The demo with real kernel tables: `scene.ts` plays in namespaces that end with it. */
import type { CommandLine } from "../support/command.ts";

/** Plays the scene; whether the entry was healed. An abort takes everything away at once. */
export async function demonstrateInNamespaces(
  isolation: CommandLine,
  signal: AbortSignal,
): Promise<boolean> {
  const scene = new URL("scene.ts", import.meta.url).href;
  const line = [...isolation, Deno.execPath(), "run", "-q", "--no-prompt", "-P=demo", scene];
  const [program, ...args] = line;
  // The scene ends when its input does: also if this process is killed.
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).spawn();
  // The first process of a process namespace takes all others with it.
  const end = () => child.kill("SIGKILL");
  signal.addEventListener("abort", end);
  const { success } = await child.status;
  signal.removeEventListener("abort", end);
  return success;
}
