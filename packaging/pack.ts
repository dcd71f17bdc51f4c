/**
 * `deno task pack`: makes dist/arpflush, the folder that is copied to routers and hosts. It holds all
 * that is needed to run there without the internet: the Deno that runs this, sender and service in
 * one file each, their launchers, and what an administrator copies from.
 */
import { messageOf } from "../lib/errors.ts";
import { launcherText, type Program, programs } from "./launcher.ts";
import config from "../deno.json" with { type: "json" };

const root = new URL("../", import.meta.url);

/** Runs this Deno in the project; throws with its own words when it fails. */
async function deno(...args: string[]): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null" });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`Cannot ${args[0]}: ${new TextDecoder().decode(stderr).trim()}`);
}

async function packProgram(folder: string, program: Program): Promise<void> {
  const { name, entry, permissions } = program;
  // Minified: half the text is read in some 2 ms less, all of them before the first datagram.
  const options = ["--quiet", "--minify", "--platform=deno"];
  await deno("bundle", ...options, `--output=${folder}/${name}.js`, entry);
  const text = launcherText(program, config.permissions[permissions], config.unstable);
  await Deno.writeTextFile(`${folder}/${name}`, text);
}

/** Makes the folder anew, whatever was in it, readable for everybody whatever the umask. */
export async function pack(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(folder, { recursive: true });
  await Deno.chmod(folder, 0o755);
  for (const program of programs) await packProgram(folder, program);
  await copyCompanions(folder);
  await Deno.copyFile(Deno.execPath(), `${folder}/deno`);
  const started = new Set(["deno", ...programs.map(({ name }) => name)]);
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.chmod(`${folder}/${name}`, started.has(name) ? 0o755 : 0o644);
  }
}

/** What an administrator copies from: all in packaging/ that isn't a program, and the license. */
async function copyCompanions(folder: string): Promise<void> {
  const here = new URL(".//", import.meta.url);
  for await (const { name, isFile } of Deno.readDir(here)) {
    if (isFile && !name.endsWith(".ts")) {
      await Deno.copyFile(new URL(name, here), `${folder}/${name}`);
    }
  }
  await Deno.copyFile(new URL("LICENSE", root), `${folder}/LICENSE`);
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
