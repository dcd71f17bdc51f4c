/**
 * `deno task compile [TARGET …]`: makes executables that need nothing else,
 * dist/VERSION/TARGET/{arpflush,arpflush-service}[.exe] and SHA256SUMS beside them, for all targets or
 * those named. Each has the permissions it needs built in, and no others. Online Deno fetches the base
 * runtime of its own version; offline DENORT_BIN names one, for one target.
 */
import { messageOf } from "../lib/errors.ts";
import { arpflushVersion } from "../lib/version.ts";
import config from "../deno.json" with { type: "json" };
import {
  bundle,
  closed,
  permissionFlags,
  type PermissionSet,
  type Program,
  programs,
  runDeno,
  startFlags,
} from "./programs.ts";
import { addFileDetails } from "./version_resource.ts";

/** A system that executables are made for. */
interface Target {
  readonly triple: string;
  readonly suffix: "" | ".exe";
  /** Permission sets of deno.json by program. */
  readonly permissions: Readonly<Record<string, PermissionSet>>;
}

const { sender, service, "sender-windows": senderWindows, "service-windows": serviceWindows } =
  config.permissions;
const onLinux = { suffix: "", permissions: { sender, service } } as const;

/** All targets by name. */
export const targets: Readonly<Record<string, Target>> = {
  "windows-x64": {
    triple: "x86_64-pc-windows-msvc",
    suffix: ".exe",
    permissions: { sender: senderWindows, service: serviceWindows },
  },
  "linux-x64": { triple: "x86_64-unknown-linux-gnu", ...onLinux },
  "linux-arm64": { triple: "aarch64-unknown-linux-gnu", ...onLinux },
};

/** Writes SHA256SUMS of some files of a folder, sorted by name, as `sha256sum -c` reads it. */
export async function writeSums(folder: string, names: readonly string[]): Promise<void> {
  let lines = "";
  for (const name of names.toSorted()) {
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(`${folder}/${name}`));
    lines += `${new Uint8Array(digest).toHex()}  ${name}\n`;
  }
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, lines);
}

/** Makes the executables of some targets below `folder` and prints the size of each. */
export async function compileTargets(names: readonly string[], folder: string): Promise<void> {
  const bundles = `${folder}/bundles`;
  await Deno.mkdir(bundles, { recursive: true });
  try {
    // One after the other: on a fresh machine the first run installs Deno's bundler, and a second run
    // at the same time fails.
    for (const program of programs) {
      const bundled = await bundle(program, bundles);
      // The compiler writes the file's time into the executable: the same bytes need the same time.
      await Deno.utime(bundled, 0, 0);
      for (const name of names) await compile(program, bundled, name, `${folder}/${name}`);
    }
    for (const name of names) {
      const files = programs.map((program) => program.name + targets[name].suffix);
      await writeSums(`${folder}/${name}`, files);
    }
  } finally {
    await Deno.remove(bundles, { recursive: true });
  }
}

async function compile(
  program: Program,
  bundled: string,
  name: string,
  folder: string,
): Promise<void> {
  const { triple, suffix, permissions } = targets[name];
  const output = `${folder}/${program.name}${suffix}`;
  await runDeno(
    "compile",
    ...closed,
    "--no-check",
    // The runtime would keep compiled code for the next start in a file of a known name in the temporary
    // folder, and trust what is there: every user may write to /tmp and C:\Windows\Temp first, and so
    // could give the service its code.
    "--no-code-cache",
    ...startFlags(program),
    ...permissionFlags(permissions[program.permissions]),
    `--target=${triple}`,
    `--output=${output}`,
    bundled,
  );
  if (suffix === ".exe") await addFileDetails(output, program);
  const { size } = await Deno.stat(output);
  console.log(`${output}: ${(size / 1e6).toFixed(1)} MB`);
}

/** Says what is wrong with the names of targets; `base` is the value of DENORT_BIN. Null: nothing. */
export function argumentFault(names: readonly string[], base: string | undefined): string | null {
  const known = Object.keys(targets);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) return `"${unknown}" is none of the targets ${known.join(", ")}`;
  return base !== undefined && names.length !== 1
    ? "DENORT_BIN names the base runtime of one target: name that one"
    : null;
}

if (import.meta.main) {
  const fault = argumentFault(Deno.args, Deno.env.get("DENORT_BIN"));
  if (fault !== null) {
    console.error(`Cannot compile: ${fault}`);
    Deno.exit(2);
  }
  const names = Deno.args.length > 0 ? Deno.args : Object.keys(targets);
  try {
    await compileTargets(names, `dist/${arpflushVersion}`);
  } catch (error) {
    console.error(`Cannot compile: ${messageOf(error)}`);
    Deno.exit(1);
  }
}
