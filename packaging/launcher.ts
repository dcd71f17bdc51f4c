/** The launchers: POSIX shell scripts that start one program of the folder they are in. */
import { permissionFlags, type PermissionSet } from "./permissions.ts";

/** One program of the folder. */
export interface Program {
  /** The launcher's name; the bundle beside it has `.js` appended. */
  readonly name: string;
  /** The entry that is bundled. */
  readonly entry: string;
  /** The name of its permission set in deno.json. */
  readonly permissions: "sender" | "service";
  /** V8's switches, as they are measured to start it soonest. */
  readonly v8Flags: readonly string[];
}

/**
 * All functions are compiled at once, not each when it is first called: the program is small and most
 * of it runs, and what the runtime keeps for the next start is whole.
 */
const compileAtOnce = "--no-lazy";
/** Nothing a sender does lasts long enough for V8's helper threads to be worth their start. */
const oneThread = "--single-threaded";
/**
 * Four times V8's own numbers. With those, signing one request makes SHA-256 hot enough to be optimized,
 * which on the only thread takes 2 ms and more, before the first datagram. Now some dozen acks do.
 */
const optimizeLater = [
  "--invocation-count-for-maglev=1600",
  "--invocation-count-for-maglev-osr=400",
];

/** What the folder holds; the names are those of the compiled executables. */
export const programs: readonly Program[] = [
  {
    name: "arpflush",
    entry: "send.ts",
    permissions: "sender",
    v8Flags: [compileAtOnce, oneThread, ...optimizeLater],
  },
  {
    name: "arpflush-service",
    entry: "service.ts",
    permissions: "service",
    v8Flags: [compileAtOnce],
  },
];

/** What keeps the runtime from looking for anything outside the folder, network included. */
const closed = ["--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm"];

/** Flags of `deno run` and `deno compile` for what a program needs of the runtime, but its rights. */
export function startFlags({ v8Flags }: Program, unstable: readonly string[]): string[] {
  return [`--v8-flags=${v8Flags.join(",")}`, ...unstable.map((feature) => `--unstable-${feature}`)];
}

/**
 * A launcher's text. It works by absolute path, by relative path, through symbolic links and with an
 * empty environment, and passes its arguments on as they are. PATH is fixed: the service looks for
 * `ip` there, and nobody else's `ip` may be found. The cache in the folder is the runtime's own, of
 * the code it has parsed: root's first two runs fill it, everybody may read it, and where it is missing
 * and can't be written a start takes some 20 ms longer.
 */
export function launcherText(
  program: Program,
  permissions: PermissionSet,
  unstable: readonly string[],
): string {
  const { name } = program;
  const flags = [...closed, ...startFlags(program, unstable), ...permissionFlags(permissions)];
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
exec "$folder/deno" run ${flags.join(" ")} \\
  "$folder/${name}.js" "$@"
`;
}
