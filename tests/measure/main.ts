/** `deno task measure [SECTION…]`: figures as ratios to peers of the same run. See `--help`. */
import { parseArgs } from "node:util";
import { messageOf } from "../../lib/errors.ts";
import { run as runCommand } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { measuredOf, takenText, writeSection } from "./page.ts";
import { compilePeers } from "./peers.ts";
import {
  brokenPromises,
  cellsOf,
  type Context,
  type Row,
  type Section,
  tableText,
} from "./section.ts";
import { sections } from "./sections.ts";

const usage = `Usage: deno task measure [SECTION…] [options]

Measures all sections, or those named, and prints a table for each:
  ${Object.keys(sections).join(" ")}

  --write        put the tables into docs/figures.md
  --json         print one JSON document instead of tables
  --quick        tiny numbers: does it work, and are the promises kept
  --minutes N    how long the soak lasts (default 10)
  --seed N       for whatever is drawn at random (default 1)

Most sections run in Linux namespaces made for them (root, or unprivileged user
namespaces), which vanish with them. Exit: 0, 1 a promise is broken or a section
could not be measured, 2 usage.`;

interface Options extends Omit<Context, "folder" | "progress"> {
  readonly names: readonly string[];
  readonly json: boolean;
  /** Set in the process that runs one section inside its namespaces. */
  readonly inside: string | undefined;
}

/** Reads the command line; throws an error in words when it makes no sense. */
function parse(args: string[]): Options | "help" {
  const flag = { type: "boolean", default: false } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      write: flag,
      json: flag,
      quick: flag,
      help: flag,
      minutes: { type: "string", default: "10" },
      seed: { type: "string", default: "1" },
      inside: { type: "string" },
    },
  });
  if (values.help) return "help";
  const unknown = positionals.find((name) => !Object.hasOwn(sections, name));
  if (unknown !== undefined) throw new Error(`Cannot measure "${unknown}": no such section`);
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0 && minutes <= 10_000)) {
    throw new Error(`Cannot soak "${values.minutes}" minutes`);
  }
  if (!Number.isSafeInteger(seed)) throw new Error(`Seed "${values.seed}" is no whole number`);
  const names = positionals.length > 0 ? positionals : Object.keys(sections);
  const { write, json, quick, inside } = values;
  return { names, write, json, quick, minutes, seed, inside };
}

const progress = (line: string) => console.error(line);

/** Measures a section in namespaces made for it, by this program in a process of its own. */
async function runInside(name: string, { folder, quick, minutes, seed }: Context): Promise<Row[]> {
  const isolation = await findIsolation();
  if ("missing" in isolation) throw new Error(`this machine lacks ${isolation.missing}`);
  const [program, ...args] = [
    ...[
      ...isolation.argv,
      Deno.execPath(),
      "run",
      "-q",
      "--no-prompt",
      "-P=tests",
      import.meta.url,
    ],
    ...[name, "--inside", folder, "--minutes", `${minutes}`, "--seed", `${seed}`],
    ...quick ? ["--quick"] : [],
  ];
  const command = new Deno.Command(program, { args, stderr: "inherit" });
  const { success, stdout } = await command.output();
  if (!success) throw new Error("see above");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A section's rows. Throws an error in words when it can't be measured. */
async function measure(name: string, section: Section, context: Context): Promise<readonly Row[]> {
  for (const program of section.needs ?? []) {
    await runCommand(["sh", "-c", 'command -v "$1"', "sh", program]).catch(() => {
      throw new Error(`this machine lacks ${program}`);
    });
  }
  if (section.needs?.includes("cc")) await compilePeers(context.folder);
  await section.prepare?.(context.folder);
  return section.runsOutside ? await section.run(context) : await runInside(name, context);
}

async function measureAll(options: Options): Promise<number> {
  const { names, write, json, quick, seed, minutes } = options;
  const folder = await Deno.makeTempDir({ prefix: "arpflush-measure-" });
  const document: Record<string, readonly Row[]> = {};
  const faults: string[] = [];
  try {
    for (const name of names) {
      const section = sections[name];
      try {
        const rows = await measure(name, section, { ...options, folder, progress });
        document[name] = rows;
        const taken = takenText(seed, quick, new Date(), name === "soak" && !quick ? minutes : 0);
        if (!json) {
          console.log(`## ${section.title}\n\n${taken}\n\n${tableText(rows.map(cellsOf))}\n`);
        }
        if (write) await writeSection(name, measuredOf(rows, taken));
        faults.push(...brokenPromises(rows).map((row) => `Broken promise of ${name}: ${row}`));
      } catch (error) {
        faults.push(`Cannot measure ${name}: ${messageOf(error)}`);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  if (json) console.log(JSON.stringify(document, null, 1));
  faults.forEach(progress);
  return faults.length === 0 ? 0 : 1;
}

async function main(args: string[]): Promise<number> {
  let options: Options | "help";
  try {
    options = parse(args);
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`);
    return 2;
  }
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  if (options.inside === undefined) return await measureAll(options);
  const context = { ...options, folder: options.inside, progress };
  console.log(JSON.stringify(await sections[options.names[0]].run(context)));
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
