/** The mutants of modules: each is a module with one condition removed, inverted or moved. */
import { run } from "../support/command.ts";
import type { Found } from "./conditions_plugin.ts";

/** A module with one change. */
export interface Mutant {
  /** Path from the project's folder. */
  readonly path: string;
  readonly line: number;
  /** What was done. */
  readonly what: string;
  readonly old: string;
  readonly new: string;
  /** The whole module. */
  readonly text: string;
}

/** A diagnostic of `deno lint --json`, as far as it is looked at. */
interface Diagnostic {
  readonly filename: string;
  readonly message: string;
  readonly code: string;
  readonly range: { readonly start: { readonly line: number } };
}

const rule = "mutation/conditions";

/** All mutants of the modules, in the order of their text, none twice. */
export async function mutantsOf(paths: readonly string[]): Promise<Mutant[]> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-mutants-" });
  try {
    const config = `${folder}/deno.json`;
    const plugins = [new URL("conditions_plugin.ts", import.meta.url).href];
    const rules = { tags: [], include: [rule] };
    await Deno.writeTextFile(config, JSON.stringify({ lint: { plugins, rules } }));
    const copies = paths.map((_, i) => `${folder}/module${i}.ts`);
    for (const [i, path] of paths.entries()) await Deno.copyFile(path, copies[i]);
    const diagnostics = await lint(config, copies);
    const mutants: Mutant[] = [];
    for (const [i, path] of paths.entries()) {
      const text = await Deno.readTextFile(copies[i]);
      const own = diagnostics.filter(({ filename }) => filename.endsWith(`/module${i}.ts`));
      mutants.push(...different(own.map((one) => mutantOf(path, text, one))));
    }
    return mutants;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function lint(config: string, paths: readonly string[]): Promise<Diagnostic[]> {
  // Ends with code 1, as it finds something.
  const shell = ["sh", "-c", '"$@" 2>/dev/null || true', "sh"];
  const output = await run([
    ...shell,
    Deno.execPath(),
    "lint",
    "--json",
    "--config",
    config,
    ...paths,
  ]);
  const { diagnostics, errors } = JSON.parse(output);
  if (errors.length > 0) throw new Error(`Cannot read a module: ${errors[0].message}`);
  return diagnostics.filter(({ code }: Diagnostic) => code === rule);
}

function mutantOf(path: string, text: string, { message, range }: Diagnostic): Mutant {
  const { what, range: [start, end], old, new: replacement }: Found = JSON.parse(message);
  if (text.slice(start, end) !== old) {
    throw new Error(`Cannot find "${old}" at ${start} of ${path}`);
  }
  const changed = text.slice(0, start) + replacement + text.slice(end);
  return { path, line: range.start.line + 1, what, old, new: replacement, text: changed };
}

function different(mutants: readonly Mutant[]): Mutant[] {
  const seen = new Set<string>();
  return mutants.filter(({ text }) => !seen.has(text) && seen.add(text));
}
