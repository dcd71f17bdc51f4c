/**
 * `deno task pack`: makes dist/arpflush, the folder that is copied to routers and hosts. It holds all
 * that is needed to run there without the internet: the Deno that runs this, one file and one launcher
 * for each program, manual pages, and examples to copy from.
 */
import config from "../deno.json" with { type: "json" };
import { messageOf } from "../lib/errors.ts";
import { bundle, launched, launcherText, programs, root } from "./programs.ts";

/** Makes the folder anew, readable for everybody whatever the umask. */
export async function pack(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(folder, { recursive: true });
  for (const program of programs) await bundle(program, folder);
  await Deno.copyFile(Deno.execPath(), `${folder}/deno`);
  await addCompanions(folder);
}

/** Adds what belongs beside runtime and bundles: launchers, manual pages, examples, the license. */
export async function addCompanions(folder: string): Promise<void> {
  for (const program of launched) {
    const text = launcherText(program, config.permissions[program.permissions]);
    await Deno.writeTextFile(`${folder}/${program.name}`, text);
  }
  for (const from of [`${root}/packaging`, `${root}/packaging/man`]) {
    for await (const { name, isFile } of Deno.readDir(from)) {
      const isProgram = name.endsWith(".ts");
      if (isFile && !isProgram) await Deno.copyFile(`${from}/${name}`, `${folder}/${name}`);
    }
  }
  await Deno.copyFile(`${root}/LICENSE`, `${folder}/LICENSE`);
  await Deno.copyFile(`${root}/docs/confinement.md`, `${folder}/confinement.md`);
  const executables = new Set(["deno", ...launched.map(({ name }) => name)]);
  await Deno.chmod(folder, 0o755);
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.chmod(`${folder}/${name}`, executables.has(name) ? 0o755 : 0o644);
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
