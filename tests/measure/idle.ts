/** What the service costs while nothing happens, beside an empty Deno program. */
import { generateKeyFile } from "../../lib/wire/keys.ts";
import { readProcessState } from "../load/process_state.ts";
import { run } from "../support/command.ts";
import { programLine } from "../support/programs.ts";
import type { Section } from "./section.ts";
import { median, show } from "./statistics.ts";

const port = 47_904;
const emptyProgram = "await new Promise(() => setInterval(() => {}, 1e9));\n";
const secondsInAll = 60;
/** Behind this the start is over. */
const settleMs = 3_000;

interface Idle {
  readonly cpuMs: number;
  readonly rss: number;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function watch(line: readonly string[], seconds: number): Promise<Idle> {
  const [program, ...args] = line;
  const child = new Deno.Command(program, { args, stdin: "null", stderr: "null" }).spawn();
  try {
    await sleep(settleMs);
    const before = await readProcessState(child.pid);
    await sleep(seconds * 1_000);
    const after = await readProcessState(child.pid);
    return { cpuMs: after.cpuMs - before.cpuMs, rss: after.rss };
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

/** Both at once, `repetitions` times over a minute in all. */
export async function benchIdle(repetitions: number): Promise<Section> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-bench-" });
  const eachSeconds = Math.max(2, Math.round(secondsInAll / repetitions));
  try {
    const [key, settings, empty] = ["key", "arpflush.toml", "empty.ts"].map((name) =>
      `${folder}/${name}`
    );
    await Deno.writeTextFile(key, generateKeyFile(new Date()), { mode: 0o600 });
    await Deno.writeTextFile(settings, `KeyFile = "${key}"\nPort = ${port}\n`, { mode: 0o600 });
    await Deno.writeTextFile(empty, emptyProgram);
    const subjects = [
      {
        name: "service.ts --simulate",
        line: programLine("service", ["--simulate", "--config", settings]),
      },
      { name: "empty Deno program", line: [Deno.execPath(), "run", "-q", "--no-config", empty] },
    ];
    const seen = subjects.map((): Idle[] => []);
    for (let i = 0; i < repetitions; i++) {
      const both = await Promise.all(subjects.map(({ line }) => watch(line, eachSeconds)));
      both.forEach((idle, k) => seen[k].push(idle));
    }
    const cpu = seen.map((idles) => idles.reduce((sum, { cpuMs }) => sum + cpuMs, 0));
    const rss = seen.map((idles) => median(idles.map((idle) => idle.rss / 2 ** 20)));
    return {
      title: "Idle",
      about: `Processor time over ${repetitions * eachSeconds} s in all, and memory; ` +
        `${repetitions} starts of each, side by side.`,
      header: ["program", "CPU ms", "RSS MiB", "times the empty program's RSS"],
      rows: subjects.map((
        { name },
        k,
      ) => [name, show(cpu[k]), show(rss[k]), show(rss[k] / rss[1])]),
      notes: [],
    };
  } finally {
    await run(["rm", "-r", folder]);
  }
}
