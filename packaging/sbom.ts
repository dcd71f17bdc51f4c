/** The bill of materials: what a release holds, as SPDX 2.3 in JSON, and its licenses. */
import { modulesOf, programs, root, runDeno } from "./programs.ts";

/** An npm package that a program's bundle holds, with what a release says about it. */
interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, as the package declares it. */
  readonly license: string;
  /** The text that has to go with every copy. */
  readonly licenseText: string;
  /** SHA-512 of the package as npm delivers it, in hexadecimal. */
  readonly sha512: string;
  /** The programs whose bundles hold it. */
  readonly programs: readonly string[];
}

/** The folder of a package in Deno's cache, which has one folder for each registry. */
async function folderOf(name: string, version: string, cache: string): Promise<string> {
  for await (const registry of Deno.readDir(cache)) {
    const folder = `${cache}/${registry.name}/${name}/${version}`;
    if (await Deno.stat(folder).then(() => true, () => false)) return folder;
  }
  throw new Error(`Cannot find ${name} ${version} in "${cache}"`);
}

/** Every package that the programs hold, sorted by name. Fetches what isn't in Deno's cache yet. */
export async function npmPackages(): Promise<NpmPackage[]> {
  await runDeno("install", "--quiet", "--frozen");
  const { npmCache }: { readonly npmCache: string } = JSON.parse(await runDeno("info", "--json"));
  const holders: Record<string, string[]> = {};
  for (const { name, entry } of programs) {
    const modules = await modulesOf(entry);
    for (const id of new Set(modules.flatMap(({ npmPackage }) => npmPackage ?? []))) {
      (holders[id] ??= []).push(name);
    }
  }
  const { npm }: { readonly npm: Readonly<Record<string, { readonly integrity: string }>> } = JSON
    .parse(await Deno.readTextFile(`${root}/deno.lock`));
  return await Promise.all(
    Object.keys(holders).sort().map(async (id) => {
      const at = id.lastIndexOf("@");
      const [name, version] = [id.slice(0, at), id.slice(at + 1)];
      const folder = await folderOf(name, version, npmCache);
      return {
        ...{ name, version, sha512: hexOf(npm[id].integrity), programs: holders[id] },
        license: await declaredLicense(folder),
        licenseText: await licenseText(folder),
      };
    }),
  );
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

/** What a release is made of. */
export interface Materials {
  readonly version: string;
  /** The commit, which makes the document's namespace unique. */
  readonly commit: string;
  /** The commit's time, in seconds since 1970. */
  readonly epoch: number;
  readonly denoVersion: string;
  readonly packages: readonly NpmPackage[];
}

const product = "SPDXRef-ArpFlush";
const runtime = "SPDXRef-Deno";

function idOf({ name, version }: NpmPackage): string {
  return `SPDXRef-npm-${`${name}-${version}`.replaceAll(/[^A-Za-z0-9.]+/g, "-").replace(/^-/, "")}`;
}

function packageEntry(SPDXID: string, name: string, versionInfo: string, license: string) {
  return {
    SPDXID,
    name,
    versionInfo,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: license,
    licenseDeclared: license,
    copyrightText: "NOASSERTION",
  };
}

function purl(locator: string) {
  return [{
    referenceCategory: "PACKAGE-MANAGER",
    referenceType: "purl",
    referenceLocator: locator,
  }];
}

function npmEntry(it: NpmPackage) {
  return {
    ...packageEntry(idOf(it), it.name, it.version, it.license),
    checksums: [{ algorithm: "SHA512", checksumValue: it.sha512 }],
    externalRefs: purl(`pkg:npm/${it.name.replace("@", "%40")}@${it.version}`),
  };
}

function relationship(spdxElementId: string, relationshipType: string, relatedSpdxElement: string) {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}

/** The SPDX document. What Deno itself is made of is in the bill of Deno's own release. */
export function billOfMaterials({ version, commit, epoch, denoVersion, packages }: Materials) {
  const deno = {
    ...packageEntry(runtime, "deno", denoVersion, "MIT"),
    externalRefs: purl(`pkg:github/denoland/deno@v${denoVersion}`),
    comment:
      "The runtime, in the folder or in the executables. It holds V8 and Rust crates, which " +
      "Deno's own release lists.",
  };
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `arpflush-${version}`,
    documentNamespace: `https://spdx.org/spdxdocs/arpflush-${version}-${commit}`,
    creationInfo: {
      created: new Date(epoch * 1000).toISOString().replace(".000Z", "Z"),
      creators: [`Tool: arpflush-release-${version}`],
    },
    documentDescribes: [product],
    packages: [
      {
        ...packageEntry(product, "arpflush", version, "MIT"),
        primaryPackagePurpose: "APPLICATION",
      },
      deno,
      ...packages.map(npmEntry),
    ],
    relationships: [
      relationship("SPDXRef-DOCUMENT", "DESCRIBES", product),
      relationship(product, "CONTAINS", runtime),
      ...packages.map((it) => relationship(product, "CONTAINS", idOf(it))),
    ],
  };
}

/** NOTICES.txt: the licenses that have to go with every copy, ours first. */
export function notices(license: string, { denoVersion, packages }: Materials): string {
  const parts = packages.map((it) =>
    `${it.name} ${it.version}, in ${it.programs.join(" and ")}:\n\n${it.licenseText.trim()}\n`
  );
  const line = `${"-".repeat(78)}\n`;
  const ofDeno = license.replace(/^Copyright .*$/m, "Copyright 2018-2026 the Deno authors");
  return [
    `ArpFlush:\n\n${license}`,
    `deno ${denoVersion}, the runtime, which holds V8 and Rust crates under their own licenses:
\n${ofDeno}`,
    ...parts,
  ].join(line);
}
