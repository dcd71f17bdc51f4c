/**
 * `deno task test [TIER…] [FILE…] [--filter TEXT]`: runs the tiers of tests, or the tiers, files and
 * folders that are named, and ends with the line `N passed, N failed, N skipped`. A tier that this
 * machine can't run is skipped: its reason is printed, and each of its files counts as one skipped test.
 * Under CI=true a skipped test is a failure. Exit code: 0 all passed, 1 not, 2 wrong arguments.
 */
import { parseArgs } from "node:util";
import { messageOf } from "../lib/errors.ts";
import { run } from "./support/command.ts";
import { findIsolation, type Isolation } from "./support/namespaces.ts";
import { wineLack } from "./windows/wine/paths.ts";

/** A tier: its tests, and what they need of the machine. */
interface Tier {
  readonly name: string;
  readonly folder: string;
  /** What its command line begins with, or what the machine lacks. */
  readonly place: () => Promise<Isolation>;
  /** Whether what its tests print is shown: timelines and figures. */
  readonly prints?: boolean;
  /** Tests whose times don't count: two files are run at a time. */
  readonly paired?: string;
}

/** The last tier whose folder holds a file is the file's. */
const tiers: readonly Tier[] = [
  { name: "unit", folder: "tests/", place: anywhere },
  { name: "packaging", folder: "tests/packaging/", place: anywhere },
  { name: "net", folder: "tests/net/", place: findIsolation },
  { name: "lab", folder: "tests/lab/", prints: true, place: rootWith("nft", "keepalived", "ping") },
  {
    name: "windows",
    folder: "tests/windows/",
    prints: true,
    paired: "tests/windows/powershell/",
    place: async () => {
      const lack = await wineLack();
      return lack === null
        ? await rootWith("nft", "keepalived", "ping", "openssl", "zip")()
        : { missing: lack };
    },
  },
];

/** After this a tier hangs and is ended. */
const timeoutMs = 30 * 60_000;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

function anywhere(): Promise<Isolation> {
  return Promise.resolve({ argv: [] });
}

/** A machine where this is run as root on Linux, with these programs. */
function rootWith(...programs: readonly string[]): () => Promise<Isolation> {
  return async () => {
    if (Deno.build.os !== "linux" || Deno.uid() !== 0) return { missing: "root on Linux" };
    const script = 'for name in "$@"; do command -v "$name" >/dev/null || echo "$name"; done';
    const missing = (await run(["sh", "-c", script, "sh", ...programs])).trim();
    return missing === "" ? { argv: [] } : { missing: missing.replaceAll("\n", ", ") };
  };
}

/** Every file of tests below a folder, sorted. */
async function testFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) files.push(...await testFiles(`${folder}/${name}`));
    else if (name.endsWith("_test.ts")) files.push(`${folder}/${name}`);
  }
  return files.sort();
}

/** One `deno test` of some files, so many at a time; killed when it hangs, or this is interrupted. */
async function runFiles(
  files: readonly string[],
  { jobs, prints, options }: { jobs: number; prints: boolean; options: readonly string[] },
  argv: readonly string[],
): Promise<Counts> {
  const report = await Deno.makeTempFile({ prefix: "arpflush-tests-", suffix: ".xml" });
  // Quiet, Deno shows nothing of what tests print; types are another task's affair.
  const deno = [Deno.execPath(), "test", prints ? "--no-check" : "-q", "--no-prompt", "-P=tests"];
  const parallel = jobs > 1 ? ["--parallel"] : [];
  const line = [...argv, ...deno, ...parallel, `--junit-path=${report}`, ...options, ...files];
  const env = { DENO_NO_UPDATE_CHECK: "1", DENO_JOBS: String(jobs) };
  const child = new Deno.Command(line[0], { args: line.slice(1), stdin: "null", env }).spawn();
  // unshare passes no signal on; when it is killed everything in there ends.
  const kill = () => child.kill("SIGKILL");
  const timer = setTimeout(kill, timeoutMs);
  Deno.addSignalListener("SIGINT", kill);
  const { success } = await child.status;
  Deno.removeSignalListener("SIGINT", kill);
  clearTimeout(timer);
  const text = await Deno.readTextFile(report);
  await Deno.remove(report);
  return countsOf(text, success);
}

/** Counts a JUnit report: a step is a test, and what a filter leaves out is none. */
function countsOf(report: string, success: boolean): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const test of report.split("<testcase ").slice(1)) {
    if (/<failure|<error/.test(test)) counts.failed++;
    else if (!test.includes("<skipped/>")) counts.passed++;
    // What a filter leaves out has no time, what is ignored has.
    else if (/^[^>]* time="/.test(test)) counts.skipped++;
  }
  // Not in the report: a file that couldn't be loaded, an error outside of a test, a run that died.
  return success ? counts : { ...counts, failed: Math.max(1, counts.failed) };
}

function add(total: Counts, more: Counts): void {
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += more[key];
}

/** Runs a tier's files, or skips them. */
async function runTier(
  tier: Tier,
  files: readonly string[],
  options: readonly string[],
): Promise<Counts> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const place = await tier.place();
  if ("missing" in place) {
    console.log(`\nTier ${tier.name}: skipped, this machine lacks ${place.missing}`);
    return { ...total, skipped: files.length };
  }
  console.log(`\nTier ${tier.name}: ${files.length} files`);
  const { prints = false, paired } = tier;
  const isPaired = (file: string) => paired !== undefined && file.startsWith(paired);
  for (const jobs of [1, 2]) {
    const some = files.filter((file) => isPaired(file) === (jobs === 2));
    if (some.length > 0) add(total, await runFiles(some, { jobs, prints, options }, place.argv));
  }
  return total;
}

/** Tiers, files and options of `deno test` by the command line. */
function readArguments(all: readonly string[]) {
  const known = { filter: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ options: known, allowPositionals: true });
  const named = tiers.filter(({ name }) => positionals.includes(name));
  const paths = positionals.filter((word) => !named.some(({ name }) => name === word));
  const below = (path: string) => all.filter((file) => `${file}/`.startsWith(`${path}/`));
  const unknown = paths.find((path) => below(path).length === 0);
  if (unknown !== undefined) throw new Error(`there are no tests in "${unknown}"`);
  return {
    chosen: named.length > 0 ? named : tiers,
    files: paths.length > 0 ? paths.flatMap(below) : all,
    options: values.filter === undefined ? [] : ["--filter", values.filter],
  };
}

async function main(): Promise<number> {
  const { chosen, files, options } = readArguments(await testFiles("tests"));
  // Fetches the packages of programs that tiers without a network start.
  await run([Deno.execPath(), "cache", "-q", "service.ts", "send.ts", "tests/demo/main.ts"]);
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const tier of chosen) {
    const own = files.filter((file) =>
      tiers.findLast(({ folder }) => file.startsWith(folder)) === tier
    );
    if (own.length > 0) add(total, await runTier(tier, own, options));
  }
  const strict = Deno.env.get("CI") === "true" && total.skipped > 0;
  if (strict) console.log("\nUnder CI=true skipped tests are a failure");
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 || strict ? 1 : 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`Cannot run tests: ${messageOf(error)}`);
  const names = tiers.map(({ name }) => name).join("|");
  console.error(`Usage: deno task test [${names} …] [FILE …] [--filter TEXT]`);
  Deno.exit(2);
}
