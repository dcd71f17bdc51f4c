/** The project's own modules and what they import, read from their text. */

/** One import of a module. */
export interface Import {
  /** A path from the project's folder for a module of ours, otherwise as written. */
  readonly target: string;
  readonly dynamic: boolean;
}

/** A module. */
export interface Source {
  /** From the project's folder. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const root = new URL("../../", import.meta.url);

/** `deno fmt` puts every static import at the start of a line. */
const staticImport = /^(?:import|export)\s(?:[^"'`;]*?\sfrom\s)?"([^"]+)";/gm;
const dynamicImport = /\bimport\(\s*"([^"]+)"\s*\)/g;

/** Whether a module imports what it computes, so that nobody can tell what it loads. */
export function hasComputedImport(text: string): boolean {
  return /\bimport\(\s*[^"\s]/.test(text);
}

/** The imports in a module's text, but for computed ones. */
export function importsOf(path: string, text: string): Import[] {
  const found = (pattern: RegExp, dynamic: boolean) =>
    Array.from(text.matchAll(pattern), ([, written]) => ({
      target: resolved(path, written),
      dynamic,
    }));
  return [...found(staticImport, false), ...found(dynamicImport, true)];
}

function resolved(path: string, written: string): string {
  if (!written.startsWith(".")) return written;
  return new URL(written, new URL(path, root)).href.slice(root.href.length);
}

/** Every module in these files and folders, sorted by path. */
export async function sourcesIn(paths: readonly string[]): Promise<Source[]> {
  const sources = await Promise.all(paths.map(async (path) => {
    const { isDirectory } = await Deno.stat(new URL(path, root));
    if (isDirectory) return await sourcesIn(await modulesOf(path));
    const text = await Deno.readTextFile(new URL(path, root));
    return [{ path, text, imports: importsOf(path, text) }];
  }));
  return sources.flat().sort((a, b) => a.path < b.path ? -1 : 1);
}

async function modulesOf(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(new URL(`${folder}/`, root)));
  return entries.filter(({ name, isDirectory }) => isDirectory || name.endsWith(".ts"))
    .map(({ name }) => `${folder}/${name}`);
}

/** Everything that a module loads, itself included; `follows` says which imports count. */
export function loadedBy(
  start: string,
  sources: readonly Source[],
  follows: (edge: Import) => boolean = () => true,
): Set<string> {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const loaded = new Set([start]);
  for (const path of loaded) {
    const edges = byPath.get(path)?.imports ?? [];
    for (const edge of edges.filter(follows)) loaded.add(edge.target);
  }
  return loaded;
}
