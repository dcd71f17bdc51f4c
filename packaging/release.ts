/**
 * `deno task release [PLATFORM …]`: makes dist/release anew, with what is given to administrators:
 * archives, Debian packages, the bill of materials and SHA256SUMS; for all platforms or those named.
 * The same commit and the same Deno make the same bytes. docs/releasing.md says how to use it.
 */
import { messageOf } from "../lib/errors.ts";
import { arpflushVersion } from "../lib/version.ts";
import { makeTar, makeZip } from "./archive.ts";
import { type Release, releaseOf } from "./changelog.ts";
import { compileTargets } from "./compile.ts";
import { buildDebs, type DebCompression, debianChangelog } from "./deb/build.ts";
import { manualPages } from "./man/generate.ts";
import { npmPackages } from "./npm_packages.ts";
import { type Origin, originOf } from "./origin.ts";
import { pack } from "./pack.ts";
import { billOfMaterials, type Materials, notices } from "./sbom.ts";
import { sumsOf } from "./sums.ts";

/** What every platform's part is made of. */
export interface ReleaseParts {
  /** An absolute path: where the files go. */
  readonly output: string;
  readonly version: string;
  /** Of every file, in seconds since 1970. */
  readonly epoch: number;
  readonly release: Release;
  /** Texts that go with every copy, by name. */
  readonly documents: Readonly<Record<string, string>>;
  readonly manualPages: Readonly<Record<string, string>>;
  /** Small for administrators; tests are in a hurry. */
  readonly compression: { readonly level: number; readonly deb: DebCompression };
}

const root = new URL("../", import.meta.url);
const rootPath = `${import.meta.dirname}/..`;
const smallest = { level: 9, deb: { type: "xz", level: 6 } } as const;
const platforms = ["linux-x64", "windows-x64"] as const;
type Platform = typeof platforms[number];

/** The parts of this project's release, from what its files say. */
export async function partsOf(output: string, { commit, epoch }: Origin): Promise<ReleaseParts> {
  const version = arpflushVersion;
  const materials: Materials = {
    ...{ version, commit, epoch, denoVersion: Deno.version.deno },
    packages: await npmPackages(),
  };
  const changelog = await Deno.readTextFile(new URL("CHANGELOG.md", root));
  const license = await Deno.readTextFile(new URL("LICENSE", root));
  return {
    ...{ output, version, epoch, compression: smallest },
    release: releaseOf(changelog, version),
    documents: {
      "CHANGELOG.md": changelog,
      "NOTICES.txt": notices(license, materials),
      "arpflush.spdx.json": `${JSON.stringify(billOfMaterials(materials), null, 2)}\n`,
    },
    manualPages: await manualPages(),
  };
}

const confinement = () => Deno.readTextFile(new URL("docs/confinement.md", root));

/** Makes the Debian packages of a folder that `pack()` made; gives their names. */
export async function makeDebs(packed: string, parts: ReleaseParts): Promise<string[]> {
  const { output, version, epoch, manualPages, documents, compression, release } = parts;
  const { "NOTICES.txt": copyright, "CHANGELOG.md": _, ...others } = documents;
  return await buildDebs(output, {
    ...{ packed, version, epoch, copyright, manualPages },
    changelog: (name) => debianChangelog(name, version, release.items, epoch),
    documents: { ...others, "confinement.md": await confinement() },
  }, compression.deb);
}

/** Makes archive and packages of a folder that `pack()` made; gives their names. */
export async function releaseLinux(packed: string, parts: ReleaseParts): Promise<string[]> {
  const { output, version, epoch, manualPages, documents, compression } = parts;
  const debs = await makeDebs(packed, parts);
  await addTexts(packed, {
    ...documents,
    ...manualPages,
    "confinement.md": await confinement(),
  });
  const archive = `arpflush-${version}-linux-x64.tar.gz`;
  const [, parent, name] = /^(.*)\/([^/]+)$/.exec(packed) ?? [];
  await makeTar(`${output}/${archive}`, { parent, name, epoch, level: compression.level });
  return [archive, ...debs];
}

/** What an administrator reads, and install.ps1 points to. */
const manualOfWindows = ["windows.md", "installing-on-windows.md", "settings.md", "events.md"];

/** Makes the archive of a folder with the executables, which gets all that goes with them. */
export async function releaseWindows(compiled: string, parts: ReleaseParts): Promise<string[]> {
  const { output, version, epoch, documents, compression } = parts;
  for (const file of ["install.ps1", "LICENSE"]) {
    await Deno.copyFile(new URL(file, root), `${compiled}/${file}`);
  }
  for (const page of manualOfWindows) {
    await Deno.copyFile(new URL(`docs/${page}`, root), `${compiled}/${page}`);
  }
  await addTexts(compiled, documents);
  // The installer trusts nothing that isn't listed.
  const listed = ["arpflush.exe", "arpflush-service.exe", "install.ps1"];
  await addTexts(compiled, { SHA256SUMS: await sumsOf(compiled, listed) });
  for await (const { name } of Deno.readDir(compiled)) {
    await Deno.chmod(`${compiled}/${name}`, name.endsWith(".exe") ? 0o755 : 0o644);
  }
  const archive = `arpflush-${version}-windows-x64.zip`;
  const [, parent, name] = /^(.*)\/([^/]+)$/.exec(compiled) ?? [];
  await makeZip(`${output}/${archive}`, { parent, name, epoch, level: compression.level });
  return [archive];
}

async function addTexts(folder: string, texts: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(texts)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    await Deno.chmod(`${folder}/${name}`, 0o644);
  }
}

async function makePlatform(platform: Platform, parts: ReleaseParts): Promise<string[]> {
  const stage = `${parts.output}/stage`;
  if (platform === "linux-x64") {
    const { os, arch } = Deno.build;
    if (os !== "linux" || arch !== "x86_64") {
      throw new Error(`linux-x64 needs the Deno of that platform, this is ${os} ${arch}`);
    }
    await pack(`${stage}/arpflush`);
    return await releaseLinux(`${stage}/arpflush`, parts);
  }
  await compileTargets([platform], stage);
  await Deno.mkdir(`${stage}/windows`);
  await Deno.rename(`${stage}/${platform}`, `${stage}/windows/arpflush`);
  return await releaseWindows(`${stage}/windows/arpflush`, parts);
}

/** Makes the release of some platforms, and gives the names of its files. */
export async function makeRelease(
  chosen: readonly Platform[],
  output: string,
  origin: Origin,
): Promise<string[]> {
  await Deno.remove(output, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(output, { recursive: true });
  const parts = await partsOf(output, origin);
  const bill = `arpflush-${parts.version}.spdx.json`;
  await addTexts(output, { [bill]: parts.documents["arpflush.spdx.json"] });
  const files = [bill];
  try {
    for (const platform of chosen) files.push(...await makePlatform(platform, parts));
  } finally {
    await Deno.remove(`${output}/stage`, { recursive: true }).catch(() => {});
  }
  await addTexts(output, { SHA256SUMS: await sumsOf(output, files) });
  return [...files, "SHA256SUMS"];
}

function isPlatform(name: string): name is Platform {
  return platforms.some((known) => known === name);
}

if (import.meta.main) {
  const unknown = Deno.args.find((name) => !isPlatform(name));
  if (unknown !== undefined) {
    console.error(`Cannot release "${unknown}": platforms are ${platforms.join(", ")}`);
    Deno.exit(2);
  }
  const chosen = Deno.args.length > 0 ? Deno.args.filter(isPlatform) : platforms;
  try {
    const origin = await originOf(rootPath);
    if (origin.changed) console.error("Warning: files differ from the commit");
    const files = await makeRelease(
      chosen,
      `${await Deno.realPath(rootPath)}/dist/release`,
      origin,
    );
    console.log(`Made of ${origin.commit} in dist/release:\n${files.join("\n")}`);
  } catch (error) {
    console.error(`Cannot make dist/release: ${messageOf(error)}`);
    Deno.exit(1);
  }
}
