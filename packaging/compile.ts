/**
 * `deno task compile [TARGET …]`: makes executables that need nothing else,
 * dist/VERSION/TARGET/{arpflush,arpflush-service}[.exe] and SHA256SUMS beside them, for all targets or
 * those named. Each has the permissions it needs built in, and no others. Online Deno fetches the base
 * runtime of its own version; offline DENORT_BIN names one, for one target.
 */
import { messageOf } from "../lib/errors.ts";
import { arpflushVersion } from "../lib/version.ts";
import { type Program, programs, startFlags } from "./launcher.ts";
import { permissionFlags, type PermissionSet } from "./permissions.ts";
import config from "../deno.json" with { type: "json" };

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

const root = new URL("../", import.meta.url);

/** Runs this Deno in the project; rejects with its own words when it fails. */
async function runDeno(...args: string[]): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null" });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`deno ${args[0]}: ${new TextDecoder().decode(stderr).trim()}`);
}

/**
 * One file of an entry and its packages. What is compiled then has nothing to look for, neither
 * packages nor a deno.json, and embeds no folder.
 */
async function bundle(
  { name, entry }: Program,
  folder: string,
  deno: typeof runDeno,
): Promise<string> {
  const file = `${folder}/${name}.js`;
  await deno("bundle", "--quiet", "--minify", "--platform=deno", `--output=${file}`, entry);
  // The compiler notes in the executable when the file was written: the same bytes need one time.
  await Deno.utime(file, 0, 0);
  return file;
}

/**
 * What keeps an executable from asking anybody, or looking for anything. The runtime would keep compiled
 * code for the next start in a file of a known name in the temporary folder, and trust it: whoever
 * writes there first, as every user may in /tmp and C:\Windows\Temp, would give the service its code.
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
    ...startFlags(program, config.unstable),
    ...permissionFlags(target.permissions[program.permissions]),
    `--target=${target.triple}`,
    `--output=${output}`,
    bundled,
  );
}

async function sha256(file: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(file));
  return new Uint8Array(digest).toHex();
}

/**
 * Makes the executables of some targets below `folder`, and says what they weigh. `deno` runs Deno with
 * arguments in the project.
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
    // In turn: on a fresh machine the first one lays the bundler down, and a second fails beside that.
    for (const program of programs) bundled.push(await bundle(program, bundles, deno));
    for (const name of names) {
      const target = targets[name];
      const lines: string[] = [];
      for (const [i, program] of programs.entries()) {
        const file = `${program.name}${target.suffix}`;
        const output = `${folder}/${name}/${file}`;
        await compile(program, bundled[i], target, output, deno);
        lines.push(`${await sha256(output)}  ${file}\n`);
        const { size } = await Deno.stat(output);
        console.log(`${output}: ${(size / 1e6).toFixed(1)} MB`);
      }
      await Deno.writeTextFile(`${folder}/${name}/SHA256SUMS`, lines.join(""));
    }
  } finally {
    await Deno.remove(bundles, { recursive: true });
  }
}

/** What is wrong with a command line, or null. */
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
