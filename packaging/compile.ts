/**
 * `deno task compile [TARGET …]`: makes executables that need nothing else,
 * dist/VERSION/TARGET/{arpflush,arpflush-service}[.exe] and SHA256SUMS beside them, for all targets or
 * those named. Each has the permissions it needs built in, and no others. Online Deno fetches the base
 * runtime of its own version; offline DENORT_BIN names one, for one target.
 */
import { messageOf } from "../lib/errors.ts";
import { arpflushVersion } from "../lib/version.ts";
import config from "../deno.json" with { type: "json" };
import { sumsOf } from "./archive.ts";
import {
  bundle,
  permissionFlags,
  type PermissionSet,
  type Program,
  programs,
  runDeno,
  startFlags,
} from "./programs.ts";
import { descriptions, publisher } from "./publisher.ts";
import { addFileDetails, type FileDetails } from "./version_resource.ts";

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

/**
 * Keeps an executable from asking anybody, and from looking for anything. Without `--no-code-cache` the
 * runtime would keep compiled code for the next start in a file of a known name in the temporary folder,
 * and trust what is there: every user may write to /tmp and C:\Windows\Temp first, and so could give
 * the service its code.
 */
const closed = [
  "--no-check",
  "--no-code-cache",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--no-prompt",
];

async function compile(
  program: Program,
  bundled: string,
  target: Target,
  output: string,
  deno: typeof runDeno,
): Promise<void> {
  await deno(
    "compile",
    "--quiet",
    ...closed,
    ...startFlags(program),
    ...permissionFlags(target.permissions[program.permissions]),
    `--target=${target.triple}`,
    `--output=${output}`,
    bundled,
  );
}

function detailsOf({ name }: Program, file: string): FileDetails {
  return { ...publisher, version: arpflushVersion, file, description: descriptions[name] };
}

/**
 * Makes the executables of some targets below `folder` and prints the size of each. `deno` runs Deno in
 * the project with the arguments given.
 */
export async function compileTargets(
  names: readonly string[],
  folder: string,
  deno = runDeno,
): Promise<void> {
  const bundles = `${folder}/bundles`;
  await Deno.mkdir(bundles, { recursive: true });
  try {
    const bundled: string[] = [];
    // One after the other: on a fresh machine the first run installs Deno's bundler, and a second run
    // at the same time fails.
    for (const program of programs) {
      const file = await bundle(program, bundles, deno);
      // The compiler writes the file's time into the executable: the same bytes need the same time.
      await Deno.utime(file, 0, 0);
      bundled.push(file);
    }
    for (const name of names) {
      const target = targets[name];
      const files: string[] = [];
      for (const [i, program] of programs.entries()) {
        const file = `${program.name}${target.suffix}`;
        const output = `${folder}/${name}/${file}`;
        await compile(program, bundled[i], target, output, deno);
        if (target.suffix === ".exe") await addFileDetails(output, detailsOf(program, file));
        files.push(file);
        const { size } = await Deno.stat(output);
        console.log(`${output}: ${(size / 1e6).toFixed(1)} MB`);
      }
      const sums = await sumsOf(`${folder}/${name}`, files);
      await Deno.writeTextFile(`${folder}/${name}/SHA256SUMS`, sums);
    }
  } finally {
    await Deno.remove(bundles, { recursive: true });
  }
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
