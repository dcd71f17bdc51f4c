/** The compiled executables, made anew whenever what they are made of has changed. */
import { arpflushVersion } from "../../../lib/version.ts";
import { cachePath, checkoutPath } from "./paths.ts";

/** Targets of packaging/compile.ts with the base runtime that setup.sh fetched for each. */
const bases = {
  "windows-x64": "@stdy/cli-win32-x64/bin/steady.exe",
  "linux-x64": "@stdy/cli-linux-x64/bin/steady",
} as const;
type Target = keyof typeof bases;

const packages = `${cachePath}/wine/npm/node_modules`;

/** The folder of a target's executables, as in the checkout, compiled if need be. */
export async function compiled(target: Target): Promise<string> {
  const folder = `dist/${arpflushVersion}/${target}`;
  await Deno.mkdir(`${cachePath}/wine`, { recursive: true });
  const lock = await Deno.open(`${cachePath}/wine/compile-lock`, { write: true, create: true });
  try {
    await lock.lock(true);
    const stamp = `${cachePath}/wine/compiled-${target}`;
    const digest = await sourcesDigest();
    const known = await Deno.readTextFile(stamp).catch(() => "");
    const isThere = await Deno.stat(`${checkoutPath}/${folder}/SHA256SUMS`).then(
      () => true,
      () => false,
    );
    if (known !== digest || !isThere) {
      await compile(target);
      await Deno.writeTextFile(stamp, digest);
    }
  } finally {
    lock.close();
  }
  return folder;
}

/** Compiles by the Deno of the base runtimes' own version. */
async function compile(target: Target): Promise<void> {
  const command = new Deno.Command(`${packages}/@deno/linux-x64-glibc/deno`, {
    args: ["run", "-q", "--no-prompt", "-P=compile", "packaging/compile.ts", target],
    cwd: checkoutPath,
    // The machine's own certificates, for the bundler that Deno fetches.
    env: { DENORT_BIN: `${packages}/${bases[target]}`, DENO_TLS_CA_STORE: "system,mozilla" },
  });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`Cannot compile: ${new TextDecoder().decode(stderr)}`);
}

/** A digest of everything an executable is made of. */
async function sourcesDigest(): Promise<string> {
  const files = ["service.ts", "send.ts", "deno.json", "deno.lock"];
  for (const folder of ["lib", "packaging"]) await addFiles(folder, files);
  const texts = await Promise.all(
    files.sort().map((file) => Deno.readTextFile(`${checkoutPath}/${file}`)),
  );
  const bytes = new TextEncoder().encode(texts.join("\0"));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

async function addFiles(folder: string, files: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(`${checkoutPath}/${folder}`)) {
    const path = `${folder}/${name}`;
    if (isDirectory) await addFiles(path, files);
    else if (name.endsWith(".ts")) files.push(path);
  }
}
