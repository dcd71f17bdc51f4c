/** `deno task measure [SECTION…]`: figures as ratios to peers of the same run. See `--help`. */
import { parseArgs } from "node:util";
import { messageOf } from "../../lib/errors.ts";
import { pack } from "../../packaging/pack.ts";
import { inFolder, isInstalled } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { measuredText, writeSection } from "./page.ts";
import { compilePeers } from "./peers.ts";
import { brokenPromises, type Context, type Row, type Section } from "./section.ts";
import { sections } from "./sections.ts";

const usage = `Usage: deno task measure [SECTION…] [options]

Measures all sections, or those named, and prints a table for each:
  ${Object.keys(sections).join(" ")}

  --write        put the tables into docs/figures.md
  --quick        tiny numbers: does it work, and are the promises kept
  --minutes N    how long the soak lasts (default 10)
  --seed N       for whatever is drawn at random (default 1)

Most sections run in Linux namespaces made for them (root, or unprivileged user
namespaces), which vanish with them. Exit: 0, 1 a promise is broken or a section
could not be measured, 2 usage.`;

/** Where a section finds what `deno task pack` makes. */
const packed = "dist/arpflush";

type Options = Pick<Context, "write" | "quick" | "minutes" | "seed">;

/** Reads the command line; throws an error in words when it makes no sense. */
function parse(args: string[]) {
  const flag = { type: "boolean", default: false } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      write: flag,
      quick: flag,
      help: flag,
      minutes: { type: "string", default: "10" },
      seed: { type: "string", default: "1" },
    },
  });
  const unknown = positionals.find((name) => !Object.hasOwn(sections, name));
  if (unknown !== undefined) throw new Error(`Cannot measure "${unknown}": no such section`);
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0 && minutes <= 10_000)) {
    throw new Error(`Cannot soak "${values.minutes}" minutes`);
  }
  if (!Number.isSafeInteger(seed)) throw new Error(`Seed "${values.seed}" is no whole number`);
  const names = positionals.length > 0 ? positionals : Object.keys(sections);
  return { ...values, names, minutes, seed };
}

const progress = (line: string) => console.error(line);

/** Measures a section in namespaces made for it, by this program in a process of its own. */
async function runInside(name: string, context: Context): Promise<readonly Row[]> {
  const isolation = await findIsolation();
  if ("missing" in isolation) throw new Error(`this machine lacks ${isolation.missing}`);
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", import.meta.url];
  const [program, ...args] = [...isolation.argv, ...deno, inside, name, JSON.stringify(context)];
  const { success, stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
  if (!success) throw new Error("see above");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** The first argument of the process that runs one section inside its namespaces. */
const inside = "--inside";

/** A section's rows. Throws an error in words when it can't be measured. */
async function measure(
  name: string,
  { needs = [], isLab = false, isPacked = false, run }: Section,
  options: Options,
  folder: string,
): Promise<readonly Row[]> {
  for (const program of needs) {
    if (!await isInstalled(program)) throw new Error(`this machine lacks ${program}`);
  }
  if (needs.includes("cc")) await compilePeers(folder);
  if (isPacked) await pack(packed);
  const context = { ...options, folder, packed: isPacked ? packed : null, progress };
  return isLab ? await run(context) : await runInside(name, context);
}

/** Measures one section after the other; gives how many can't be measured or break a promise. */
async function measureAll(names: readonly string[], options: Options): Promise<number> {
  const faults: string[] = [];
  await inFolder(async (folder) => {
    for (const name of names) {
      const section = sections[name];
      try {
        const rows = await measure(name, section, options, folder);
        const minutes = name === "soak" ? options.minutes : 0;
        const measured = measuredText(rows, { ...options, minutes });
        console.log(`## ${section.title}\n\n${measured}\n`);
        if (options.write) await writeSection(name, measured);
        faults.push(...brokenPromises(rows).map((row) => `Broken promise of ${name}: ${row}`));
      } catch (error) {
        faults.push(`Cannot measure ${name}: ${messageOf(error)}`);
      }
    }
  });
  faults.forEach(progress);
  return faults.length;
}

async function main(args: string[]): Promise<number> {
  if (args[0] === inside) {
    const [, name, context] = args;
    console.log(JSON.stringify(await sections[name].run({ ...JSON.parse(context), progress })));
    return 0;
  }
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`);
    return 2;
  }
  const { help, names, ...options } = parsed;
  if (!help) return await measureAll(names, options) === 0 ? 0 : 1;
  console.log(usage);
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
