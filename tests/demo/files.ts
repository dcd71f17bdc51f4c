/** The few files that the service and the sender of the demo share. */
import { generateKeyFile } from "../../lib/wire/keys.ts";

/** Paths of a key file and of settings that name it. */
export interface DemoFiles {
  readonly key: string;
  readonly settings: string;
}

/** Makes a folder with a new key, which nobody else can read, and settings with these lines. */
export async function writeDemoFiles(
  folder: string,
  settings: readonly string[],
): Promise<DemoFiles> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const files = { key: `${folder}/key`, settings: `${folder}/arpflush.toml` };
  await Deno.writeTextFile(files.key, generateKeyFile(new Date()), { mode: 0o600 });
  // JSON's strings are TOML's, too.
  const lines = [`KeyFile = ${JSON.stringify(files.key)}`, ...settings];
  await Deno.writeTextFile(files.settings, `${lines.join("\n")}\n`);
  return files;
}
