/**
 * The compiled executables: made anew whenever what they are made of has changed, or, for Windows, those
 * of the release that ARPFLUSH_RELEASE names.
 */
import { arpflushVersion } from "../../../lib/version.ts";
import { run } from "../../support/command.ts";
import { cachePath, checkoutPath } from "./paths.ts";

/** Targets of packaging/compile.ts with the base runtime that setup.sh fetched for each. */
const bases = {
  "windows-x64": "@stdy/cli-win32-x64/bin/steady.exe",
  "linux-x64": "@stdy/cli-linux-x64/bin/steady",
} as const;
/** One of them. */
type Target = keyof typeof bases;

const packages = `${cachePath}/wine/npm/node_modules`;

/** The Deno of the base runtimes' own version. */
export const compiler = `${packages}/@deno/linux-x64-glibc/deno`;

/** The base runtime of a target, a file. */
export function baseRuntime(target: Target): string {
  return `${packages}/${bases[target]}`;
}

/**
 * The folder of a target's executables, as in the checkout, compiled if need be. Another version is
 * made of the same sources with that version in them.
 */
export async function compiled(target: Target, version = arpflushVersion): Promise<string> {
  using lock = await Deno.open(`${cachePath}/wine/compile-lock`, { write: true, create: true });
  await lock.lock(true);
  const release = Deno.env.get("ARPFLUSH_RELEASE") ?? "";
  if (release !== "" && target === "windows-x64" && version === arpflushVersion) {
    return await unpacked(release);
  }
  const folder = `dist/${version}/${target}`;
  await Deno.mkdir(`${checkoutPath}/dist/${version}`, { recursive: true });
  const stamp = `${checkoutPath}/dist/${version}/${target}.sources`;
  const digest = await sourcesDigest();
  const known = await Deno.readTextFile(stamp).catch(() => "");
  if (known === digest) return folder;
  if (version === arpflushVersion) await compile(target, checkoutPath);
  else await compileVersion(target, version, `${checkoutPath}/${folder}`);
  await Deno.writeTextFile(stamp, digest);
  return folder;
}

/** The folder of a release's zip, unpacked once; its sums must hold. */
async function unpacked(release: string): Promise<string> {
  const zip = await Deno.realPath(`${release}/arpflush-${arpflushVersion}-windows-x64.zip`);
  const digest = (await run(["sha256sum", zip])).slice(0, 16);
  const folder = `dist/released-${digest}/arpflush`;
  const isThere = await Deno.stat(`${checkoutPath}/${folder}`).then(() => true, () => false);
  if (isThere) return folder;
  await Deno.mkdir(`${checkoutPath}/dist`, { recursive: true });
  const half = await Deno.makeTempDir({ dir: `${checkoutPath}/dist` });
  await run(["unzip", "-q", zip], { cwd: half });
  await run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], { cwd: `${half}/arpflush` });
  await run(["cmp", `${half}/arpflush/install.ps1`, `${checkoutPath}/install.ps1`]);
  await Deno.rename(half, `${checkoutPath}/dist/released-${digest}`);
  return folder;
}

/** Compiles a copy of the sources that is of another version. */
async function compileVersion(target: Target, version: string, output: string): Promise<void> {
  const copy = await copySources();
  try {
    const module = `${copy}/lib/version.ts`;
    const text = await Deno.readTextFile(module);
    await Deno.writeTextFile(module, text.replace(`"${arpflushVersion}"`, `"${version}"`));
    await compile(target, copy);
    await Deno.remove(output, { recursive: true }).catch(() => {});
    await run(["cp", "-r", `${copy}/dist/${version}/${target}`, output]);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

/** A new folder with a copy of everything an executable is made of. */
export async function copySources(): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "arpflush-sources-" });
  for (const file of await sources()) {
    await Deno.mkdir(`${copy}/${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(`${checkoutPath}/${file}`, `${copy}/${file}`);
  }
  return copy;
}

/** Compiles a checkout. */
function compile(target: Target, checkout: string): Promise<void> {
  const script = ["run", "-q", "--no-prompt", "-P=compile", "packaging/compile.ts"];
  return deno(target, [...script, target], checkout);
}

/** Runs the compiler with a target's base runtime, in a checkout. */
async function deno(target: Target, args: string[], cwd: string): Promise<void> {
  // The machine's own certificates, for the bundler that Deno fetches.
  const env = { DENORT_BIN: baseRuntime(target), DENO_TLS_CA_STORE: "system,mozilla" };
  await run([compiler, ...args], { cwd, env });
}

/** Everything an executable is made of, as paths in the checkout. */
async function sources(): Promise<string[]> {
  const files = ["service.ts", "send.ts", "deno.json", "deno.lock", "tests/support/command.ts"];
  for (const folder of ["lib", "packaging"]) await addFiles(folder, files);
  return files.sort();
}

async function sourcesDigest(): Promise<string> {
  const texts = await Promise.all(
    (await sources()).map((file) => Deno.readTextFile(`${checkoutPath}/${file}`)),
  );
  const bytes = new TextEncoder().encode(texts.join("\0"));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

async function addFiles(folder: string, files: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(`${checkoutPath}/${folder}`)) {
    const path = `${folder}/${name}`;
    if (isDirectory) await addFiles(path, files);
    else if (/\.(ts|ico)$/.test(name)) files.push(path);
  }
}
