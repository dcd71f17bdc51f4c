/** The bill of materials: what a release holds and was made with, as SPDX 2.3 in JSON. */
import type { NpmPackage } from "./npm_packages.ts";

/** What the bill is about. */
export interface Materials {
  readonly version: string;
  /** The commit that the release is made of; tells its documents apart. */
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

function described(SPDXID: string, name: string, versionInfo: string, license: string) {
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

function npmPackage(it: NpmPackage) {
  return {
    ...described(idOf(it), it.name, it.version, it.license),
    checksums: [{ algorithm: "SHA512", checksumValue: it.sha512 }],
    externalRefs: purl(`pkg:npm/${it.name.replace("@", "%40")}@${it.version}`),
  };
}

function related(spdxElementId: string, relationshipType: string, relatedSpdxElement: string) {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}

/** The document. The licenses of what Deno itself is made of are in Deno's own bill. */
export function billOfMaterials({ version, commit, epoch, denoVersion, packages }: Materials) {
  const deno = {
    ...described(runtime, "deno", denoVersion, "MIT"),
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
        ...described(product, "arpflush", version, "MIT"),
        primaryPackagePurpose: "APPLICATION",
      },
      deno,
      ...packages.map(npmPackage),
    ],
    relationships: [
      related("SPDXRef-DOCUMENT", "DESCRIBES", product),
      related(product, "CONTAINS", runtime),
      ...packages.map((it) =>
        it.programs.length > 0
          ? related(product, "CONTAINS", idOf(it))
          : related(idOf(it), "TEST_DEPENDENCY_OF", product)
      ),
    ],
  };
}

/** The licenses that have to go with every copy, ours first. */
export function notices(license: string, { denoVersion, packages }: Materials): string {
  const contained = packages.filter(({ programs }) => programs.length > 0);
  const parts = contained.map((it) =>
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
