/** One tier by `deno test`, shown live and counted from its reports. */
import type { CommandLine } from "../support/command.ts";
import { add, countJunit, type Counts, noTests } from "./junit.ts";

/** What to run and how. */
export interface TierRun {
  /** Put before the command line. */
  readonly argv: CommandLine;
  /** Paths from the project's folder. */
  readonly files: readonly string[];
  readonly filter?: string;
  /** Whether to show what tests print. @default false */
  readonly printsFindings?: boolean;
  /** Files that are run two at a time, behind the others. @default none */
  readonly pairs?: (file: string) => boolean;
  /** Ends the run: its counts are a failure. */
  readonly signal: AbortSignal;
}

/** After this a tier hangs and is ended. */
const timeoutMs = 30 * 60_000;
/** A run that is asked to end has this long for cleaning up. */
const graceMs = 3000;

/** Runs the files and counts. A run without a report is one failure. */
export async function runTier(tier: TierRun): Promise<Counts> {
  const signal = AbortSignal.any([tier.signal, AbortSignal.timeout(timeoutMs)]);
  const { pairs = () => false } = tier;
  let counts = noTests;
  for (const jobs of [1, 2]) {
    const files = tier.files.filter((file) => pairs(file) === (jobs > 1));
    if (files.length > 0) counts = add(counts, await runFiles({ ...tier, files, signal }, jobs));
  }
  return counts;
}

/** One run of `deno test`, as many files at a time as there are jobs. */
async function runFiles(
  { argv, files, filter, printsFindings = false, signal }: TierRun,
  jobs: number,
): Promise<Counts> {
  const report = await Deno.makeTempFile({ prefix: "arpflush-tests-", suffix: ".xml" });
  try {
    const options = filter === undefined ? [] : ["--filter", filter];
    if (jobs > 1) options.push("--parallel");
    // Quiet, Deno shows nothing of what tests print; types are another task's affair.
    const verbosity = printsFindings ? "--no-check" : "-q";
    const deno = [Deno.execPath(), "test", verbosity, "--no-prompt", "-P=tests"];
    const [program, ...args] = [...argv, ...deno, `--junit-path=${report}`, ...options, ...files];
    const child = new Deno.Command(program, {
      args,
      stdin: "null",
      env: { DENO_NO_UPDATE_CHECK: "1", DENO_JOBS: String(jobs) },
    }).spawn();
    const { success } = await endOf(child, signal);
    const counts = countJunit(await Deno.readTextFile(report), files, success);
    return counts ?? { ...noTests, failed: 1 };
  } finally {
    await Deno.remove(report);
  }
}

async function endOf(child: Deno.ChildProcess, signal: AbortSignal): Promise<Deno.CommandStatus> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    child.kill("SIGINT");
    // unshare doesn't pass on what it is sent; with its own end everything in there ends.
    timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  };
  signal.addEventListener("abort", end);
  try {
    if (signal.aborted) end();
    return await child.status;
  } finally {
    signal.removeEventListener("abort", end);
    clearTimeout(timer);
  }
}
