/**
 * `deno task test [TIER …]`: runs the tiers of tests, all of them or those named, and ends with the
 * line `N passed, N failed, N skipped`. A tier that this machine can't run is skipped, with the
 * reason, and counts as one skipped test for each of its files; under CI=true anything skipped is a
 * failure. Exit code: 0 all passed, 1 not, 2 wrong arguments, 130 interrupted.
 */
import { messageOf } from "../lib/errors.ts";
import { parseArguments, type RunOptions, usage } from "./runner/arguments.ts";
import { add, type Counts, countsLine, noTests } from "./runner/junit.ts";
import { runTier } from "./runner/run_tier.ts";
import { type Tier, tierOf, tiers } from "./runner/tiers.ts";
import { run } from "./support/command.ts";

/** Entries whose packages must be here before a tier without a network starts them. */
const entries = ["service.ts", "send.ts", "tests/demo/main.ts"];

/** Every file of tests below a folder, sorted. */
async function testFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) files.push(...await testFiles(path));
    else if (name.endsWith("_test.ts")) files.push(path);
  }
  return files.sort();
}

/** Runs one tier, or says why it is skipped. */
async function perform(
  tier: Tier,
  files: readonly string[],
  filter: string | undefined,
  signal: AbortSignal,
): Promise<Counts> {
  const place = await tier.place();
  if ("missing" in place) {
    console.log(`\nTier ${tier.name}: skipped, this machine lacks ${place.missing}`);
    return { ...noTests, skipped: files.length };
  }
  console.log(`\nTier ${tier.name}: ${files.length} files`);
  return await runTier({
    argv: place.argv,
    files,
    filter,
    printsFindings: tier.printsFindings,
    pairs: tier.pairs,
    signal,
  });
}

async function main(options: RunOptions, signal: AbortSignal): Promise<number> {
  const chosen = (await testFiles("tests")).filter((file) =>
    options.files.length === 0 || options.files.includes(file)
  );
  const lost = options.files.filter((file) => !chosen.includes(file));
  if (lost.length > 0) return refuse(`Cannot find "${lost[0]}" below tests/`);
  await run([Deno.execPath(), "cache", "-q", ...await existing(entries)]);
  let counts = noTests;
  for (const tier of tiers) {
    if (options.tiers.length > 0 && !options.tiers.includes(tier.name)) continue;
    const files = chosen.filter((file) => tierOf(file) === tier);
    if (files.length === 0 || signal.aborted) continue;
    counts = add(counts, await perform(tier, files, options.filter, signal));
  }
  const strict = Deno.env.get("CI") === "true" && counts.skipped > 0;
  if (strict) console.log("\nUnder CI=true skipped tests are a failure");
  console.log(`\n${countsLine(counts)}`);
  if (signal.aborted) return 130;
  return counts.failed > 0 || strict ? 1 : 0;
}

async function existing(files: readonly string[]): Promise<string[]> {
  const there = await Promise.all(
    files.map((file) => Deno.stat(file).then(() => true, () => false)),
  );
  return files.filter((_, i) => there[i]);
}

function refuse(message: string): number {
  console.error(`${message}\n${usage}`);
  return 2;
}

function readOptions(): RunOptions | null {
  try {
    return parseArguments(Deno.args, tiers.map(({ name }) => name));
  } catch (error) {
    refuse(messageOf(error));
    return null;
  }
}

const interruption = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  if (Deno.build.os === "windows" && name === "SIGTERM") continue;
  Deno.addSignalListener(name, () => interruption.abort());
}
const options = readOptions();
Deno.exit(options === null ? 2 : await main(options, interruption.signal));
