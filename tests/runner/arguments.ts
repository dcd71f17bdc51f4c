/** The arguments of the test task. */

/** What is to be run. */
export interface RunOptions {
  /** Names of tiers; empty: all. */
  readonly tiers: readonly string[];
  /** Only these files of tests; empty: all. */
  readonly files: readonly string[];
  /** Only tests whose name holds this, or matches it between slashes. */
  readonly filter?: string;
}

/** How the task is called. */
export const usage = "Usage: deno task test [TIER …] [tests/FILE_test.ts …] [--filter TEXT]";

/** Reads them. Throws an Error whose message says what is wrong. */
export function parseArguments(args: readonly string[], tierNames: readonly string[]): RunOptions {
  const tiers: string[] = [];
  const files: string[] = [];
  let filter: string | undefined;
  for (let i = 0; i < args.length; i++) {
    const text = args[i];
    if (text === "--filter") {
      filter = args[++i];
      if (filter === undefined) throw new Error("--filter needs a text");
    } else if (text.startsWith("--filter=")) {
      filter = text.slice("--filter=".length);
    } else if (tierNames.includes(text)) {
      tiers.push(text);
    } else if (text.endsWith("_test.ts")) {
      files.push(text.replace(/^\.\//, ""));
    } else {
      const known = tierNames.join(", ");
      throw new Error(`"${text}" is neither a tier (${known}) nor a file of tests`);
    }
  }
  return { tiers, files, filter };
}
