/**
 * `deno task test [TIER…] [FILE…] [--filter TEXT]`: runs the tiers of tests, or the tiers, files and
 * folders that are named, says which tests failed, and ends with the line `N passed, N failed, N
 * skipped`. A tier that this machine can't run is skipped: its reason is printed, and each of its
 * files counts as one skipped test.
 * Under CI=true a skipped test is a failure. Exit code: 0 all passed, 1 not, 2 wrong arguments.
 */
import { parseArgs } from "node:util";
import { messageOf } from "../lib/errors.ts";
import { isInstalled, outcomeOf, run } from "./support/command.ts";
import { findIsolation, type Isolation } from "./support/namespaces.ts";
import { fetchLine } from "./support/programs.ts";
import { wineLack } from "./windows/wine/paths.ts";

/** A tier: its tests, and what they need of the machine. */
interface Tier {
  readonly name: string;
  readonly folder: string;
  /** What its command line begins with, or what the machine lacks. */
  readonly place: () => Promise<Isolation>;
  /** How many of its files run at a time. */
  readonly jobs: number;
  /** Whether its files share one process, which starts faster, or each has one and a place of its own. */
  readonly isShared?: boolean;
  /** Whether what its tests print is shown: timelines and figures. */
  readonly prints?: boolean;
}

/** The last tier whose folder holds a file is the file's. */
const tiers: readonly Tier[] = [
  { name: "unit", folder: "tests/", jobs: 2, isShared: true, place: anywhere },
  { name: "packaging", folder: "tests/packaging/", jobs: 1, isShared: true, place: anywhere },
  { name: "net", folder: "tests/net/", jobs: 4, place: findIsolation },
  {
    name: "lab",
    folder: "tests/lab/",
    jobs: 3,
    prints: true,
    place: rootWith("nft", "keepalived", "ping"),
  },
  {
    name: "windows",
    folder: "tests/windows/",
    jobs: 2,
    prints: true,
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
  /** A line for each test that failed. */
  failures: string[];
}

function noCounts(): Counts {
  return { passed: 0, failed: 0, skipped: 0, failures: [] };
}

function anywhere(): Promise<Isolation> {
  return Promise.resolve({ argv: [] });
}

/** A machine where this is run as root on Linux, with these programs and new namespaces. */
function rootWith(...programs: readonly string[]): () => Promise<Isolation> {
  return async () => {
    if (Deno.build.os !== "linux" || Deno.uid() !== 0) return { missing: "root on Linux" };
    const isolation = await findIsolation();
    if ("missing" in isolation) return isolation;
    for (const name of programs) if (!await isInstalled(name)) return { missing: name };
    return { argv: [] };
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

/** One `deno test` of some files, `jobs` at a time; what it prints is shown at its end. */
async function runFiles(
  files: readonly string[],
  { prints = false }: Tier,
  jobs: number,
  options: readonly string[],
  argv: readonly string[],
): Promise<Counts> {
  const report = await Deno.makeTempFile({ prefix: "arpflush-tests-", suffix: ".xml" });
  // Quiet, Deno shows nothing of what tests print; types are another task's affair.
  const deno = [Deno.execPath(), "test", "--no-check", "--no-prompt", "-P=tests"];
  const more = [...prints ? [] : ["-q"], ...jobs > 1 ? ["--parallel"] : []];
  const { code, stdout, stderr } = await outcomeOf(
    [...argv, ...deno, ...more, `--junit-path=${report}`, ...options, ...files],
    {
      env: { DENO_NO_UPDATE_CHECK: "1", DENO_JOBS: String(jobs) },
      signal: AbortSignal.timeout(timeoutMs),
    },
  );
  console.log((stdout + stderr).trim());
  const text = await Deno.readTextFile(report);
  await Deno.remove(report);
  return countsOf(text, code === 0, files);
}

/** Counts a JUnit report: a step is a test, and what a filter leaves out is none. */
function countsOf(report: string, success: boolean, files: readonly string[]): Counts {
  const counts = noCounts();
  for (const test of report.split("<testcase ").slice(1)) {
    const failure = /<(?:failure|error) message="([^"]*)/.exec(test);
    if (failure !== null) {
      const [name, file] = ["name", "classname"].map((key) =>
        new RegExp(`\\b${key}="([^"]*)`).exec(test)?.[1]
      );
      counts.failures.push(onOneLine(`${file}: ${name}: ${failure[1]}`));
    } else if (!test.includes("<skipped/>")) counts.passed++;
    // What a filter leaves out has no time, what is ignored has.
    else if (/^[^>]* time="/.test(test)) counts.skipped++;
  }
  // Not in the report: a file that couldn't be loaded, an error outside of a test, a run that died.
  if (!success && counts.failures.length === 0) {
    counts.failures.push(`${files.join(" ")}: failed outside of a test`);
  }
  counts.failed = counts.failures.length;
  return counts;
}

/** A text of an XML attribute, not too much of it. */
function onOneLine(text: string): string {
  const signs: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  const plain = text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => signs[name]);
  return plain.replace(/(?:\s|&#10;)+/g, " ").slice(0, 400);
}

function add(total: Counts, { passed, failed, skipped, failures }: Counts): void {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  total.failures.push(...failures);
}

/** Runs a tier's files, or skips them. */
async function runTier(
  tier: Tier,
  files: readonly string[],
  options: readonly string[],
): Promise<Counts> {
  const total = noCounts();
  const place = await tier.place();
  if ("missing" in place) {
    console.log(`\nTier ${tier.name}: skipped, this machine lacks ${place.missing}`);
    return { ...total, skipped: files.length };
  }
  console.log(`\nTier ${tier.name}: ${files.length} files`);
  const start = performance.now();
  const { jobs, isShared = false } = tier;
  const queue = isShared ? [files] : files.map((file) => [file]);
  const work = async () => {
    // From the end: the longest are there.
    for (let some = queue.pop(); some !== undefined; some = queue.pop()) {
      add(total, await runFiles(some, tier, isShared ? jobs : 1, options, place.argv));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  console.log(`Tier ${tier.name}: ${Math.round((performance.now() - start) / 1_000)} s`);
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
  await run(fetchLine(["service.ts", "send.ts", "tests/demo/main.ts"]));
  const total = noCounts();
  for (const tier of chosen) {
    const own = files.filter((file) =>
      tiers.findLast(({ folder }) => file.startsWith(folder)) === tier
    );
    if (own.length > 0) add(total, await runTier(tier, own, options));
  }
  const strict = Deno.env.get("CI") === "true" && total.skipped > 0;
  if (total.failures.length > 0) console.log(`\nFailed:\n  ${total.failures.join("\n  ")}`);
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
