/** The npm packages of deno.lock, with what a release has to say about each. */
import { programs } from "./launcher.ts";
import { runTool } from "./tool.ts";

/** A package. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, as the package declares it. */
  readonly license: string;
  /** The text that has to go with every copy. */
  readonly licenseText: string;
  /** SHA-512 of the package as npm delivers it, in hexadecimal. */
  readonly sha512: string;
  /** The programs whose bundles hold it; none for what only tests need. */
  readonly programs: readonly string[];
}

/** What `deno info --json` says of an entry, as far as it is needed here. */
interface Information {
  readonly modules: readonly { readonly npmPackage?: string }[];
}

/** What it says without one. */
interface Surroundings {
  readonly npmCache: string;
}

/** What deno.lock says, likewise. */
interface Lock {
  readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
}

const root = `${import.meta.dirname}/..`;

function deno(...args: string[]): Promise<string> {
  return runTool(Deno.execPath(), args, { cwd: root });
}

/** The folder of a package in Deno's cache, in whatever registry's part it is. */
async function folderOf(name: string, version: string, cache: string): Promise<string> {
  for await (const registry of Deno.readDir(cache)) {
    const folder = `${cache}/${registry.name}/${name}/${version}`;
    if (await Deno.stat(folder).then(() => true, () => false)) return folder;
  }
  throw new Error(`Cannot find ${name} ${version} in "${cache}"`);
}

/** Every package of deno.lock, sorted by name. Fetches what isn't in Deno's cache yet. */
export async function npmPackages(): Promise<NpmPackage[]> {
  await deno("install", "--quiet", "--frozen");
  const { npmCache }: Surroundings = JSON.parse(await deno("info", "--json"));
  const known: [program: string, information: Information][] = [];
  for (const { name, entry } of programs) {
    known.push([name, JSON.parse(await deno("info", "--json", entry))]);
  }
  const lock: Lock = JSON.parse(await Deno.readTextFile(`${root}/deno.lock`));
  const packages = Object.entries(lock.npm).map(async ([id, { integrity }]) => {
    const at = id.lastIndexOf("@");
    const [name, version] = [id.slice(0, at), id.slice(at + 1)];
    const folder = await folderOf(name, version, npmCache);
    const holders = known.filter(([, { modules }]) => modules.some((it) => it.npmPackage === id));
    return {
      ...{ name, version, sha512: hexOf(integrity) },
      license: await declaredLicense(folder),
      licenseText: await licenseText(folder),
      programs: holders.map(([program]) => program),
    };
  });
  return (await Promise.all(packages)).sort((a, b) => a.name < b.name ? -1 : 1);
}

function hexOf(integrity: string): string {
  const base64 = /^sha512-(.*)$/.exec(integrity)?.[1];
  if (base64 === undefined) throw new Error(`Cannot read integrity "${integrity}" in deno.lock`);
  return Uint8Array.fromBase64(base64).toHex();
}

async function declaredLicense(folder: string): Promise<string> {
  const { license } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
  if (typeof license === "string") return license;
  throw new Error(`Cannot find a license in "${folder}/package.json"`);
}

async function licenseText(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) {
    if (/^licen[sc]e(\.\w+)?$/i.test(name)) return await Deno.readTextFile(`${folder}/${name}`);
  }
  throw new Error(`Cannot find the license's text in "${folder}"`);
}
