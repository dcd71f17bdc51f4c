/**
 * `deno task pack`: makes dist/arpflush, the folder that is copied to routers and hosts. It holds all
 * that is needed to run there without the internet: the Deno that runs this, one file and one launcher
 * for each program, manual pages, and examples to copy from.
 */
import config from "../deno.json" with { type: "json" };
import { messageOf } from "../lib/errors.ts";
import { outcomeOf } from "../tests/support/command.ts";
import { bundle, bundleInParts, launched, launcherText, programs, root } from "./programs.ts";

/**
 * Makes the folder anew, readable for everybody whatever the umask. A folder that is the same already
 * is left as it is: somebody may be copying it.
 */
export async function pack(folder: string): Promise<void> {
  const parent = folder.replace(/[^/]+$/, "") || ".";
  await Deno.mkdir(parent, { recursive: true });
  const made = await Deno.makeTempDir({ dir: parent, prefix: ".pack-" });
  try {
    const [sender, service] = programs;
    // One after the other: on a fresh machine the first run installs Deno's bundler, and a second run at
    // the same time fails.
    await bundleInParts(sender, made);
    await bundle(service, made);
    await Deno.copyFile(Deno.execPath(), `${made}/deno`);
    await addCompanions(made);
    // Who packs at the same time finds the folder as it would make it.
    using place = await Deno.open(parent);
    await place.lock(true);
    // "cache" is what the launchers add.
    const same = await outcomeOf(["diff", "-rq", "--exclude=cache", made, folder]);
    if (same.code === 0) return;
    await Deno.remove(folder, { recursive: true }).catch(ifMissing);
    await Deno.rename(made, folder);
  } finally {
    await Deno.remove(made, { recursive: true }).catch(ifMissing);
  }
}

function ifMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Adds what belongs beside runtime and bundles: launchers, manual pages, examples, the license. */
export async function addCompanions(folder: string): Promise<void> {
  for (const program of launched) {
    const text = launcherText(program, config.permissions[program.permissions]);
    await Deno.writeTextFile(`${folder}/${program.name}`, text);
  }
  for (const from of ["packaging", "packaging/man", "packaging/schemas"]) {
    for await (const { name, isFile } of Deno.readDir(`${root}/${from}`)) {
      const isProgram = name.endsWith(".ts");
      if (isFile && !isProgram) await Deno.copyFile(`${root}/${from}/${name}`, `${folder}/${name}`);
    }
  }
  await Deno.copyFile(`${root}/LICENSE`, `${folder}/LICENSE`);
  const executables = new Set(["deno", ...launched.map(({ name }) => name)]);
  await Deno.chmod(folder, 0o755);
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    await Deno.chmod(path, isDirectory || executables.has(name) ? 0o755 : 0o644);
    if (!isDirectory) continue;
    for await (const part of Deno.readDir(path)) await Deno.chmod(`${path}/${part.name}`, 0o644);
  }
}

if (import.meta.main) {
  if (Deno.args.length > 0) {
    console.error(`Cannot pack "${Deno.args[0]}": the task takes no arguments`);
    Deno.exit(2);
  }
  try {
    await pack("dist/arpflush");
    console.log("Made dist/arpflush");
  } catch (error) {
    console.error(`Cannot make dist/arpflush: ${messageOf(error)}`);
    Deno.exit(1);
  }
}
