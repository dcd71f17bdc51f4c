/**
 * `deno task mutate [PATH …] [--sample N] [--verbose]`: makes mutants of the modules that decide what is
 * accepted, from their syntax trees, and runs the tests on each. Every mutant must be caught, but
 * those that survivors.json lists with the reason why they can't be told from the original; they
 * must survive. Exit code: 0 so it is, 1 not, 2 wrong arguments.
 */
import { messageOf } from "../../lib/errors.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";
import { subjects } from "./subjects.ts";
import { isSame, readSurvivors } from "./survivors.ts";
import { type Trial, tryMutants } from "./trial.ts";

const usage = "Usage: deno task mutate [lib/PATH.ts …] [--sample N] [--verbose]";
const atOnce = 2;

interface Options {
  readonly paths: readonly string[];
  /** How many mutants are tried, evenly chosen; null: all. */
  readonly sample: number | null;
  /** Says of each mutant which test caught it. */
  readonly verbose: boolean;
}

function parseOptions(args: readonly string[]): Options {
  const paths: string[] = [];
  let sample: number | null = null;
  let verbose = false;
  const known = subjects.map(({ path }) => path);
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--sample") {
      sample = Number(args[++i]);
      if (!Number.isInteger(sample) || sample < 1) {
        throw new Error(`Option --sample needs a whole number from 1 on, not "${args[i] ?? ""}"`);
      }
    } else if (args[i] === "--verbose") verbose = true;
    else if (known.includes(args[i])) paths.push(args[i]);
    else throw new Error(`"${args[i]}" is none of ${known.join(", ")}`);
  }
  return { paths: paths.length > 0 ? paths : known, sample, verbose };
}

/** Evenly chosen ones. */
function sampleOf(mutants: readonly Mutant[], count: number | null): readonly Mutant[] {
  if (count === null || count >= mutants.length) return mutants;
  return Array.from({ length: count }, (_, i) => mutants[Math.floor(i * mutants.length / count)]);
}

function textOf({ path, line, what, old, new: replacement }: Mutant): string {
  const short = (text: string) => text.replace(/\s+/g, " ");
  return `${path}:${line} ${what}: ${short(old)} -> ${short(replacement)}`;
}

async function main({ paths, sample, verbose }: Options): Promise<number> {
  const listed = await readSurvivors();
  const mutants = sampleOf(await mutantsOf(paths), sample);
  console.log(`${mutants.length} mutants of ${paths.length} modules`);
  const isListed = (mutant: Mutant) => listed.some((one) => isSame(one, mutant));
  const trials: Trial[] = [];
  const again: Mutant[] = [];
  await tryMutants(mutants, subjects, atOnce, (trial) => {
    const { mutant, verdict, by } = trial;
    // On a busy machine a test may fail by itself, which nobody would notice of another mutant.
    if (verdict !== "survived" && isListed(mutant)) again.push(mutant);
    else trials.push(trial);
    if (verbose || verdict !== "caught") console.log(`${verdict}: ${textOf(mutant)} ${by}`);
    if (trials.length % 50 === 0) console.log(`${trials.length} of ${mutants.length}`);
  });
  if (again.length > 0) {
    await tryMutants(again, subjects, 1, (trial) => void trials.push(trial));
  }
  const survived = trials.filter(({ verdict }) => verdict === "survived");
  const unexplained = survived.filter(({ mutant }) => !isListed(mutant));
  const wronglyListed = trials.filter(({ mutant, verdict }) =>
    verdict !== "survived" && isListed(mutant)
  );
  const gone = sample !== null
    ? []
    : listed.filter((one) =>
      paths.includes(one.path) && !mutants.some((mutant) => isSame(one, mutant))
    );
  for (const { mutant } of unexplained) console.log(`NOT CAUGHT ${textOf(mutant)}`);
  for (const { mutant } of wronglyListed) console.log(`LISTED BUT CAUGHT ${textOf(mutant)}`);
  for (const { path, old } of gone) console.log(`LISTED BUT NOT THERE ${path} ${old}`);
  const timedOut = trials.filter(({ verdict }) => verdict === "timed out").length;
  console.log(
    `${trials.length} mutants: ${trials.length - survived.length} caught (${timedOut} by not ` +
      `ending), ${survived.length - unexplained.length} the same as the original, ` +
      `${unexplained.length} not caught`,
  );
  return unexplained.length + wronglyListed.length + gone.length === 0 ? 0 : 1;
}

function readOptions(): Options | null {
  try {
    return parseOptions(Deno.args);
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`);
    return null;
  }
}

const options = readOptions();
Deno.exit(options === null ? 2 : await main(options));
