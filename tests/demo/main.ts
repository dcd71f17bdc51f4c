/**
 * `deno task demo`: ArpFlush's main job, shown on this machine and taken away again. Where network
 * namespaces can be had it is the kernel's own neighbor table that is healed; elsewhere one in
 * memory, which the first line says. Exit code: 0 only if the entry was healed.
 */
import { messageOf } from "../../lib/errors.ts";
import { type CommandLine, run } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { fetchLine } from "../support/programs.ts";
import { demonstrateOnLoopback } from "./on_loopback.ts";

/** Ends whatever is under way; a second Ctrl+C isn't needed. */
const interruption = new AbortController();
const signals: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];
for (const name of signals) Deno.addSignalListener(name, () => interruption.abort());

/** Plays scene.ts in namespaces that end with it; whether the entry was healed. An abort ends it at once. */
async function demonstrateInNamespaces(
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

async function main(): Promise<number> {
  const { signal } = interruption;
  await run(fetchLine(["service.ts", "send.ts", "tests/demo/scene.ts"]));
  const isolation = await findIsolation();
  if (signal.aborted) return 130;
  const healed = "argv" in isolation
    ? await demonstrateInNamespaces(isolation.argv, signal)
    : await demonstrateOnLoopback(isolation.missing, signal);
  if (signal.aborted) return 130;
  return healed ? 0 : 1;
}

try {
  Deno.exit(await main());
} catch (error) {
  if (interruption.signal.aborted) Deno.exit(130);
  const reason = messageOf(error);
  console.error(`Cannot show the demo: ${reason}`);
  Deno.exit(1);
}
