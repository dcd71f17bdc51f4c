/** `deno task lab`: a real failover and one back, measured at hosts side by side. See `--help`. */
import { messageOf } from "../../lib/errors.ts";
import { pack } from "../../packaging/pack.ts";
import { documentOf } from "./document.ts";
import { enterLab, labLacks } from "./enter.ts";
import { lanesHere } from "./lanes.ts";
import { parseLabOptions, usage } from "./options.ts";
import { pictureOf } from "./picture.ts";
import { outageTable, timelineText } from "./report.ts";
import type { RunResult } from "./result.ts";
import { faultsOf, middleRun } from "./verdict.ts";

async function main(args: string[]): Promise<number> {
  const options = parseLabOptions(args);
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  if (typeof options === "string") {
    console.error(options);
    return 2;
  }
  const lack = await labLacks();
  if (lack !== null) {
    console.error(`Cannot run the lab: this machine lacks ${lack}`);
    return 1;
  }
  const { here, leftOut } = await lanesHere();
  for (const line of leftOut) console.error(line);
  if (leftOut.length > 0 && Deno.env.get("CI") === "true") {
    console.error("Under CI=true a lane that is left out is a failure");
    return 1;
  }
  if (options.pack) await pack("dist/arpflush");
  const runs: RunResult[] = [];
  for (let number = 1; number <= options.runs; number++) {
    const run = await enterLab(options.windowSeconds * 1000, here);
    runs.push(run);
    console.log(`Run ${number} of ${options.runs}\n${timelineText(run)}\n`);
    if (options.runs > 1) console.log(`${outageTable([run])}\n`);
  }
  console.log(outageTable(runs));
  if (options.svg !== "") await Deno.writeTextFile(options.svg, pictureOf(middleRun(runs)));
  if (options.json !== "") await Deno.writeTextFile(options.json, await documentOf(runs));
  const faults = runs.flatMap((run, i) => faultsOf(run).map((fault) => `${fault} in run ${i + 1}`));
  for (const fault of faults) console.error(fault);
  return faults.length === 0 ? 0 : 1;
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  console.error(messageOf(error));
  Deno.exit(1);
}
