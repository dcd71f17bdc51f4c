import type { CommandLine } from "../../support/command.ts";
import { readProcessState } from "../../support/linux.ts";
import { programLine } from "../../support/programs.ts";
import { sharedRouter } from "../requests.ts";
import { type Context, type Row, rowOf, type Section } from "../section.ts";

const port = 47_904;
/** Behind this the start is over. */
const settleMs = 3_000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Processor time in ms within some seconds, and memory in MiB. */
async function watch([program, ...args]: CommandLine, seconds: number) {
  // Where the service keeps its key is this run's own.
  const env = { STATE_DIRECTORY: "/run/arpflush" };
  const child = new Deno.Command(program, { args, env, stdin: "null", stderr: "null" }).spawn();
  try {
    await sleep(settleMs);
    const before = await readProcessState(child.pid);
    await sleep(seconds * 1_000);
    const after = await readProcessState(child.pid);
    return { cpuMs: after.cpuMs - before.cpuMs, mebibytes: after.rss / 2 ** 20 };
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

async function run({ folder, quick }: Context): Promise<Row[]> {
  const [settings, empty] = ["idle.toml", "idle.ts"].map((name) => `${folder}/${name}`);
  const text = `RouterKeys = ["${sharedRouter.publicText}"]\nPort = ${port}\n`;
  await Deno.writeTextFile(settings, text, { mode: 0o600 });
  await Deno.writeTextFile(empty, "await new Promise(() => setInterval(() => {}, 1e9));\n");
  const lines = [
    programLine("service", ["--simulate", "--config", settings]),
    [Deno.execPath(), "run", "-q", "--no-config", empty],
  ];
  const seen = lines.map(() => ({ cpuMs: [] as number[], mebibytes: [] as number[] }));
  for (let i = 0; i < (quick ? 1 : 10); i++) {
    const both = await Promise.all(lines.map((line) => watch(line, quick ? 1 : 6)));
    both.forEach(({ cpuMs, mebibytes }, k) => {
      seen[k].cpuMs.push(cpuMs);
      seen[k].mebibytes.push(mebibytes);
    });
  }
  const [ours, theirs] = seen;
  const sum = (values: readonly number[]) => [values.reduce((all, value) => all + value, 0)];
  return [
    rowOf({ what: "service: processor", values: sum(ours.cpuMs) }, "ms"),
    rowOf({ what: "empty program: processor", values: sum(theirs.cpuMs) }, "ms"),
    rowOf({ what: "service: memory", values: ours.mebibytes }, "MiB", {
      what: "empty program",
      values: theirs.mebibytes,
    }),
  ];
}

export const idle: Section = {
  title: "Idle",
  about: "Ten starts of the service and of a Deno program that waits, side by side, a minute in " +
    "all.",
  run,
};
