import type { CommandLine } from "../../support/command.ts";
import { readProcessState } from "../../support/linux.ts";
import { programLine } from "../../support/programs.ts";
import { sharedRouter } from "../requests.ts";
import { type Context, figure, type Row, rowOf, type Section } from "../section.ts";

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
  const service = programLine("service", ["--simulate", "--config", settings]);
  const program = [Deno.execPath(), "run", "-q", "--no-config", empty];
  const seen: Awaited<ReturnType<typeof watch>>[][] = [[], []];
  for (let i = 0; i < (quick ? 1 : 10); i++) {
    const both = await Promise.all([service, program].map((line) => watch(line, quick ? 1 : 6)));
    both.forEach((one, k) => seen[k].push(one));
  }
  const [ours, theirs] = seen.map((watched) => ({
    cpuMs: watched.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    memory: watched.map(({ mebibytes }) => mebibytes),
  }));
  const peer = { what: "empty program", values: theirs.memory };
  return [
    figure("service: processor", ours.cpuMs, "ms"),
    figure("empty program: processor", theirs.cpuMs, "ms"),
    rowOf({ what: "service: memory", values: ours.memory }, "MiB", peer),
  ];
}

export const idle: Section = {
  title: "Idle",
  about: "Ten starts of the service and of a Deno program that waits, side by side, a minute in " +
    "all.",
  run,
};
