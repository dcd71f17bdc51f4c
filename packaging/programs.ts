/** The two programs as they are delivered: their bundles, their rights, and the scripts that start them. */
import config from "../deno.json" with { type: "json" };
import { run } from "../tests/support/command.ts";

/** Whose programs these are, as executables, packages and their changelogs carry it. */
export const publisher = {
  product: "ArpFlush",
  company: "The ArpFlush authors",
  copyright: "Copyright (c) 2026 The ArpFlush authors",
  maintainer: "ArpFlush authors <arpflush@arpflush.invalid>",
} as const;

/** A permission set as deno.json has it: everything of a kind, nothing of it, or what is listed. */
export type PermissionSet = Readonly<Record<string, boolean | readonly string[]>>;

/** A program. */
export interface Program {
  /** The name of its executable or launcher. */
  readonly name: string;
  /** What it is, for people who look at its file. */
  readonly description: string;
  /** The program whose bundle it starts; the bundle has `.js` appended. @default its own */
  readonly bundleOf?: string;
  /** The module that is bundled. */
  readonly entry: string;
  /** The name of its permission set in deno.json; on Windows it has `-windows` appended. */
  readonly permissions: "sender" | "service" | "router";
  /** The switches of V8 that were measured to start it soonest. */
  readonly v8Flags: readonly string[];
}

/** Compiles all functions at once: most of them run, and what the runtime caches is then complete. */
const compileAtOnce = "--no-lazy";
/** V8 starts no helper threads: a sender ends before they would have paid for their start. */
const oneThread = "--single-threaded";
/**
 * Four times V8's defaults. With the defaults, signing one request makes SHA-256 hot enough to be
 * optimized, which takes 2 ms on the only thread, before the first datagram. With these it is optimized
 * after some dozen acks.
 */
const optimizeLater = [
  "--invocation-count-for-maglev=1600",
  "--invocation-count-for-maglev-osr=400",
];

/** Sender and service, in this order. */
export const programs: readonly Program[] = [
  {
    name: "arpflush",
    description: "ArpFlush sender: tells hosts of a failover",
    entry: "send.ts",
    permissions: "sender",
    v8Flags: [compileAtOnce, oneThread, ...optimizeLater],
  },
  {
    name: "arpflush-service",
    description: "ArpFlush service: flushes the neighbor cache",
    entry: "service.ts",
    permissions: "service",
    v8Flags: [compileAtOnce],
  },
];

/**
 * What a packed folder starts: the programs, and the sender once more with the rights of the router's
 * daemon, which the script that keepalived starts must not have.
 */
export const launched: readonly Program[] = [
  ...programs,
  { ...programs[0], name: "arpflush-router", bundleOf: programs[0].name, permissions: "router" },
];

/** The repository's root, without a slash at its end. */
export const root = `${import.meta.dirname}/..`;

/** Runs this Deno in the project and gives what it printed; rejects with a `CommandError` if it fails. */
export function runDeno(...args: string[]): Promise<string> {
  return run([Deno.execPath(), ...args], { cwd: root });
}

/**
 * Makes one minified file of a program and its packages, and gives its path. It has nothing to look for
 * when it starts, and is read some 2 ms sooner than with its white space.
 */
export async function bundle({ name, entry }: Program, folder: string): Promise<string> {
  const file = `${folder}/${name}.js`;
  await runDeno("bundle", "--quiet", "--minify", "--platform=deno", `--output=${file}`, entry);
  return file;
}

/** What the sender's entry imports: all that a start needs. */
const startModule = "lib/sender/main.ts";

/**
 * The same in parts, in a folder named after the program beside its file: what a start doesn't need is
 * read when it is asked for. The sender starts 10 ms of processor time sooner than from one file.
 *
 * The bundler puts what different parts use into files of its own. It gets a copy in which modules that
 * are imported when they are asked for import the start's module, too: so all that a start needs is of
 * one file, and not of a dozen, each of which takes some 0.1 ms.
 */
export async function bundleInParts({ name, entry }: Program, folder: string): Promise<void> {
  const parts = `${name}-parts`;
  const output = `${await Deno.realPath(folder)}/${parts}`;
  const sources = await Deno.makeTempDir({ dir: folder });
  try {
    const copied = ["lib", entry, "deno.json", "deno.lock"].map((path) => `${root}/${path}`);
    await run(["cp", "-r", ...copied, sources]);
    for (const path of await lateModules(entry)) {
      const start = `import "${"../".repeat(path.split("/").length - 1)}${startModule}";\n`;
      const text = await Deno.readTextFile(`${root}/${path}`);
      await Deno.writeTextFile(`${sources}/${path}`, start + text);
    }
    const flags = ["--quiet", "--minify", "--platform=deno", "--code-splitting"];
    const line = [Deno.execPath(), "bundle", ...flags, `--outdir=${output}`, entry];
    // Run there, since the names of parts follow from the modules' paths as seen from where it runs.
    await run(line, { cwd: sources });
  } finally {
    await Deno.remove(sources, { recursive: true });
  }
  const main = entry.replace(/\.ts$/, ".js");
  await Deno.writeTextFile(`${folder}/${name}.js`, `import "./${parts}/${main}";\n`);
}

/** A module that an entry loads, as far as `deno info --json` is needed. */
interface Module {
  /** The package that it is of; of our own modules none. */
  readonly npmPackage?: string;
  readonly dependencies?: readonly {
    readonly isDynamic?: boolean;
    readonly code?: { readonly specifier: string };
  }[];
}

/** All modules of an entry. */
export async function modulesOf(entry: string): Promise<readonly Module[]> {
  return JSON.parse(await runDeno("info", "--json", entry)).modules;
}

/** The modules that an entry has imported when they are asked for, as paths from the root. */
async function lateModules(entry: string): Promise<Set<string>> {
  const { href } = new URL("../", import.meta.url);
  const dependencies = (await modulesOf(entry)).flatMap(({ dependencies = [] }) => dependencies);
  return new Set(
    dependencies.flatMap(({ isDynamic, code }) =>
      isDynamic && code?.specifier.startsWith(href) ? code.specifier.slice(href.length) : []
    ),
  );
}

/**
 * The flags that grant a permission set and nothing more, in the set's order; each is one argument of a
 * program that is started without a shell. Throws a RangeError for a value that a flag can't carry,
 * such as one with a comma, which separates values.
 */
export function permissionFlags(set: PermissionSet): string[] {
  const flags: string[] = [];
  for (const [kind, granted] of Object.entries(set)) {
    if (granted === true) flags.push(`--allow-${kind}`);
    if (typeof granted === "boolean") continue;
    const bad = granted.find((value) => !/^[\w./:\\ -]+$/.test(value));
    if (bad !== undefined) throw new RangeError(`Cannot grant ${kind} to "${bad}" by a flag`);
    if (granted.length > 0) flags.push(`--allow-${kind}=${granted.join(",")}`);
  }
  return flags;
}

/** Flags of `deno run` and `deno compile` that a program needs to start, apart from its permissions. */
export function startFlags({ v8Flags }: Program): string[] {
  const unstable = config.unstable.map((feature) => `--unstable-${feature}`);
  return [`--v8-flags=${v8Flags.join(",")}`, ...unstable];
}

/** Keeps the runtime from asking anybody, and from looking for anything, on the network included. */
export const closed = [
  "--quiet",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
];

/**
 * The POSIX shell script that starts a program of the folder it is in, with the permissions of a set.
 * It works by absolute path, by relative path, through symbolic links and with an empty environment,
 * and passes its arguments on unchanged. PATH is fixed: the service runs `ip` from there, and nobody
 * else's `ip` may be found. The runtime keeps code that it has parsed in the folder's cache: root's
 * first two runs fill it, and everybody may read it. A start without it takes some 20 ms longer.
 */
export function launcherText(program: Program, permissions: PermissionSet): string {
  const { name, bundleOf = name } = program;
  const flags = [...closed, ...startFlags(program), ...permissionFlags(permissions)];
  const bad = flags.find((flag) => !/^[\w./:=,-]+$/.test(flag));
  if (bad !== undefined) throw new RangeError(`Cannot write "${bad}" as one word of a script`);
  return `#!/bin/sh
# Starts ${name} with the permissions it needs and no others.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
self=$0
if [ -h "$self" ]; then self=$(readlink -f -- "$self"); fi
case $self in */*) folder=\${self%/*} ;; *) folder=. ;; esac
DENO_DIR=$folder/cache
DENO_NO_UPDATE_CHECK=1
export PATH DENO_DIR DENO_NO_UPDATE_CHECK
umask 022
# Deno starts nowhere else than in a folder that is there.
[ -e "$PWD" ] || cd /
exec "$folder/deno" run ${flags.join(" ")} \\
  "$folder/${bundleOf}.js" "$@"
`;
}
