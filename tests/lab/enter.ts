/** Into the lab: what it needs of the machine, and one run in anonymous namespaces. */
import { CommandError, run } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import type { Lane } from "./lanes.ts";
import type { RunResult } from "./result.ts";

const root = new URL("../../", import.meta.url);

/** What the lab does besides making namespaces; the user is the script user's place holder. */
const trial = "keepalived --version && nft add table arp lab && touch /run/key && " +
  "chown 64123 /run/key && mount -t tmpfs tmpfs /opt";

/** What this machine lacks for the lab, in words, or null. Finds out by trying. */
export async function labLacks(): Promise<string | null> {
  if (Deno.build.os !== "linux") return `Linux (this is ${Deno.build.os})`;
  if (Deno.uid() !== 0) return "root";
  const isolation = await findIsolation();
  if ("missing" in isolation) return isolation.missing;
  try {
    await run([...isolation.argv, "sh", "-c", trial]);
    return null;
  } catch (error) {
    if (error instanceof CommandError) return error.complaint;
    throw error;
  }
}

/**
 * One run of some lanes in its own namespaces, with dist/arpflush as it is, watched for that long
 * from its first failure. Throws when it can't be done; why has then been said on stderr.
 */
export async function enterLab(windowMs: number, lanes: readonly Lane[]): Promise<RunResult> {
  const isolation = await findIsolation();
  if ("missing" in isolation) throw new Error(`Cannot run the lab without ${isolation.missing}`);
  for (const { needs } of lanes) await needs?.prepare();
  const inside = `${import.meta.dirname}/inside.ts`;
  const ids = lanes.map(({ id }) => id);
  const [program, ...args] = [
    ...isolation.argv,
    ...[
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-prompt",
      "-P=tests",
      inside,
      String(windowMs),
      ...ids,
    ],
  ];
  const child = new Deno.Command(program, {
    args,
    cwd: root,
    // /run is the lab's own, and goes with it.
    env: { TMPDIR: "/run" },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  // Its stdin stays open until it has ended: it ends itself when this process does.
  const text = await new Response(child.stdout).text();
  const { success } = await child.status;
  await child.stdin.close().catch(() => {});
  if (!success) throw new Error("Cannot run the lab: see above");
  return JSON.parse(text);
}
