/** The lab's findings as one JSON document. */
import { arpflushVersion } from "../../lib/version.ts";
import { run } from "../support/command.ts";
import { compared } from "./lanes.ts";
import { median } from "./outage.ts";
import type { RunResult } from "./result.ts";
import { faultsOf, ratioOf, ratioOfRun } from "./verdict.ts";

/** Versions of the real parts. */
async function versions() {
  const { stderr } = await new Deno.Command("keepalived", { args: ["--version"] }).output();
  const keepalived = /v(\d[\w.]*)/.exec(new TextDecoder().decode(stderr))?.[1] ?? "unknown";
  const iproute2 = /iproute2-(\S+?),?\s/.exec(await run(["ip", "-Version"]))?.[1] ?? "unknown";
  return {
    arpflush: arpflushVersion,
    deno: Deno.version.deno,
    keepalived,
    iproute2,
    // Without what a distribution or a host appends.
    linux: /^\d+\.\d+/.exec(Deno.osRelease())?.[0] ?? "unknown",
    processors: navigator.hardwareConcurrency,
  };
}

/** The document: the day, versions, ratios with their medians, and every run as it was. */
export async function documentOf(runs: readonly RunResult[]): Promise<string> {
  const byFailover = [0, 1].map((i) => runs.map((run) => ratioOf(run, i)));
  const together = runs.map(ratioOfRun);
  return JSON.stringify(
    {
      day: new Date().toISOString().slice(0, 10),
      versions: await versions(),
      ratio: `${compared.lane}/${compared.with}`,
      medianRatio: median(together),
      medianRatioByFailover: byFailover.map(median),
      ratios: together,
      faults: runs.map(faultsOf),
      runs,
    },
    (_, value) => typeof value === "number" ? Number(value.toFixed(4)) : value,
    1,
  ) + "\n";
}
