/** The demo without namespaces: service and sender over loopback, and a neighbor cache in memory. */
import { createSimulatedCache } from "../../lib/neighbors/memory.ts";
import type { NeighborCache } from "../../lib/neighbors/neighbor_cache.ts";
import { formatAddress } from "../../lib/wire/addresses.ts";
import { type CommandOutcome, outcomeOf } from "../support/command.ts";
import { freePort } from "../support/datagrams.ts";
import { programLine, startServiceProcess } from "../support/programs.ts";
import { conclude, show, writeDemoFiles } from "./common.ts";

/** Left to itself by every version control: see .gitignore. */
const parent = `${import.meta.dirname}/../../.cache`;

/** Plays the scene; whether the entry was healed. `missing`: what namespaces would take. */
export async function demonstrateOnLoopback(
  missing: string,
  signal: AbortSignal,
): Promise<boolean> {
  show(
    `Simulated, over loopback and with a neighbor cache in memory: this machine lacks ${missing}`,
  );
  const folder = `${parent}/demo-${crypto.randomUUID()}`;
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    return await play(folder, signal);
  } finally {
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(parent).catch(() => {}); // It holds something else.
  }
}

async function play(folder: string, signal: AbortSignal): Promise<boolean> {
  const port = freePort();
  const { key, settings } = await writeDemoFiles(folder, [
    `Port = ${port}`,
    "FlushOnStart = false",
  ]);
  const args = ["--simulate", "--config", settings];
  await using service = startServiceProcess({ args });
  const end = () => service.kill("SIGKILL");
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  await service.line(/Started/);

  const router = await routerOf(createSimulatedCache());
  const common = ["-k", key, "-p", String(port), "-A", router.address, "--expect", "1", "-c", "2"];
  const send = async (...more: readonly string[]) => {
    const line = programLine("sender", [...common, ...more, "127.0.0.1"]);
    const outcome = await outcomeOf(line, { signal });
    signal.throwIfAborted();
    return outcome;
  };
  const before = await send("--probe");
  show(
    `${router.address} has moved to this machine. What the host has, by send.ts --probe:`,
    text(before),
  );
  const report = await send(...router.answers ? [] : ["--only", "--no-verify"]);
  show(`This machine runs send.ts -A ${router.address}:`, text(report));
  const after = await send("--probe");
  show("What the host has now:", text(after));
  const wells = [before, report, after].map(({ code }) => code === 0);
  return conclude(wells.join() === "false,true,true", report.stdout, Deno.hostname());
}

/** The address that is wrong in the cache, and whether anybody will answer for it. */
async function routerOf(cache: NeighborCache): Promise<{ address: string; answers: boolean }> {
  const gateways = await cache.gateways();
  const [{ state }] = await cache.resolve(gateways);
  return { address: formatAddress(gateways[0]), answers: state === "neighbor" };
}

function text({ stdout, stderr }: CommandOutcome): string {
  return stdout + stderr;
}
