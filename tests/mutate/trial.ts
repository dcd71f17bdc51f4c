/** Puts mutants on trial: each in a copy of the project, before the tests of its module. */
import { outcomeOf, run } from "../support/command.ts";
import type { Mutant } from "./mutants.ts";
import type { Subject } from "./subjects.ts";

/** How a trial ended: tests failed, tests didn't end in time, or all passed. */
export type Verdict = "caught" | "timed out" | "survived";

/** A mutant and what became of it. */
export interface Trial {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
  /** The first test that failed; empty if none did. */
  readonly by: string;
}

/** More than all tests of a module take on a busy machine. */
const timeoutMs = 120_000;
/** A mutant that allocates without an end is caught here, before the machine has no memory left. */
const heapMiB = 512;
const copied = ["lib", "tests/support", "tests/unit"];
const files = ["deno.json", "deno.lock"];

/** A copy of what the tests need. */
interface Copy extends AsyncDisposable {
  readonly folder: string;
}

async function makeCopy(): Promise<Copy> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-trial-" });
  await Deno.mkdir(`${folder}/tests`);
  for (const name of [...copied, ...files]) {
    await run(["cp", "-r", name, `${folder}/${name}`]);
  }
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** Runs tests in a copy up to the first that fails. Types are not looked at: tests must notice. */
async function test(folder: string, paths: readonly string[]): Promise<Omit<Trial, "mutant">> {
  const signal = AbortSignal.timeout(timeoutMs);
  const deno = [Deno.execPath(), "test", "-q", "--no-prompt", "--no-check", "--fail-fast"];
  const heap = `--v8-flags=--max-old-space-size=${heapMiB}`;
  const enter = ["env", "--chdir", folder, "DENO_NO_UPDATE_CHECK=1", "NO_COLOR=1"];
  const line = [...enter, ...deno, heap, "-P=tests", ...paths];
  const { code, stdout, stderr } = await outcomeOf(line, { signal });
  if (signal.aborted) return { verdict: "timed out", by: "" };
  if (code === 0) return { verdict: "survived", by: "" };
  // A test that failed, or a module of tests that couldn't even be loaded.
  const output = stdout + stderr;
  if (output.includes("JavaScript out of memory")) {
    return { verdict: "caught", by: "the heap's limit" };
  }
  const failed = /^(.+) => \.\/tests\//m.exec(output) ??
    /^\.\/(.+) \(uncaught error\)/m.exec(output);
  if (failed === null) throw new Error(`Cannot run the tests: ${output.trim()}`);
  return { verdict: "caught", by: failed[1] };
}

async function judge({ folder }: Copy, mutant: Mutant, subject: Subject): Promise<Trial> {
  const path = `${folder}/${mutant.path}`;
  const original = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, mutant.text);
  try {
    const first = await test(folder, subject.nearest);
    const result = first.verdict === "survived" ? await test(folder, subject.others) : first;
    return { mutant, ...result };
  } finally {
    await Deno.writeTextFile(path, original);
  }
}

/**
 * Tries all mutants, so many at once; `told` hears of each as it ends. Rejects if the tests of a
 * subject fail without any mutant.
 */
export async function tryMutants(
  mutants: readonly Mutant[],
  subjects: readonly Subject[],
  atOnce: number,
  told: (trial: Trial) => void,
): Promise<void> {
  const queue = [...mutants];
  async function work(): Promise<void> {
    await using copy = await makeCopy();
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const { path } = mutant;
      const subject = subjects.find((one) => one.path === path);
      if (subject === undefined) throw new Error(`No tests are known for "${path}"`);
      told(await judge(copy, mutant, subject));
    }
  }
  await using sound = await makeCopy();
  const tests = new Set(
    subjects.filter(({ path }) => mutants.some((mutant) => mutant.path === path))
      .flatMap(({ nearest, others }) => [...nearest, ...others]),
  );
  const { verdict, by } = await test(sound.folder, [...tests]);
  if (verdict !== "survived") throw new Error(`The tests fail without a mutant: ${verdict} ${by}`);
  await Promise.all(Array.from({ length: atOnce }, work));
}
