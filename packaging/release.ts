/**
 * `deno task release [PLATFORM …]`: makes dist/release anew, with what is given to administrators:
 * archives, Debian packages, the bill of materials and SHA256SUMS; for all platforms or those named.
 * The same commit and the same Deno make the same bytes. docs/testing.md says how to use it.
 */
import { messageOf } from "../lib/errors.ts";
import { arpflushVersion } from "../lib/version.ts";
import { run } from "../tests/support/command.ts";
import { compileTargets, writeSums } from "./compile.ts";
import { pack } from "./pack.ts";
import { publisher, root } from "./programs.ts";
import { billOfMaterials, type Materials, notices, npmPackages } from "./sbom.ts";

/** What every platform's files are made of. */
export interface ReleaseParts {
  /** Where the files go: an absolute path. */
  readonly output: string;
  readonly version: string;
  /** The time of every file, in seconds since 1970. */
  readonly epoch: number;
  /** What the version brought, one item each. */
  readonly changes: readonly string[];
  /** Texts that go with every copy, by file name. */
  readonly documents: Readonly<
    Record<"CHANGELOG.md" | "NOTICES.txt" | "arpflush.spdx.json", string>
  >;
}

const platforms = ["linux-x64", "windows-x64"] as const;
type Platform = typeof platforms[number];

/** The commit, its time in seconds since 1970, and whether files that git knows differ from it. */
async function currentCommit() {
  const [commit, time] = (await run(["git", "log", "-1", "--format=%H %ct"], { cwd: root }))
    .trim().split(" ");
  const status = await run(["git", "status", "--porcelain", "--untracked-files=no"], { cwd: root });
  return { commit, epoch: Number(time), changed: status !== "" };
}

/**
 * The items of a version's section in CHANGELOG.md, whose heading is `## 1.2.3 (2026-11-23)`. Throws an
 * Error if there is none, so that no release is made that nobody has described.
 */
export function changesOf(changelog: string, version: string): string[] {
  for (const section of changelog.split(/^## /m).slice(1)) {
    const [, found] = /^(\S+) \(\d{4}-\d{2}-\d{2}\)\n/.exec(section) ?? [];
    if (found !== version) continue;
    return section.split(/^- /m).slice(1).map((item) => item.trim().replaceAll(/\s+/g, " "));
  }
  throw new Error(`Cannot find "## ${version} (DATE)" in CHANGELOG.md`);
}

/** Tools write no translated text and no local time. */
const env = { LC_ALL: "C", TZ: "UTC" };

/** The parts of this commit's release, which goes to `output`. */
export async function releaseParts(output: string): Promise<ReleaseParts> {
  const { commit, epoch, changed } = await currentCommit();
  if (changed) console.error(`Warning: files differ from commit ${commit}`);
  const version = arpflushVersion;
  const denoVersion = Deno.version.deno;
  const materials: Materials = {
    ...{ version, commit, epoch, denoVersion },
    packages: await npmPackages(),
  };
  const changelog = await Deno.readTextFile(`${root}/CHANGELOG.md`);
  const license = await Deno.readTextFile(`${root}/LICENSE`);
  return {
    ...{ output, version, epoch },
    changes: changesOf(changelog, version),
    documents: {
      "CHANGELOG.md": changelog,
      "NOTICES.txt": notices(license, materials),
      "arpflush.spdx.json": `${JSON.stringify(billOfMaterials(materials), null, 2)}\n`,
    },
  };
}

/**
 * Makes the Debian packages of a folder that `pack()` made, by debhelper as packaging/debian says, and
 * gives their names.
 */
export async function makeDebs(packed: string, parts: ReleaseParts): Promise<string[]> {
  const { output, version, epoch, changes, documents } = parts;
  const stage = await Deno.makeTempDir({ dir: output, prefix: "deb-" });
  try {
    const source = `${stage}/arpflush`;
    await run(["cp", "-r", packed, source]);
    await run(["cp", "-r", `${root}/packaging/debian`, source]);
    await addTexts(source, {
      "debian/changelog": debianChangelog(version, changes, epoch),
      "debian/copyright": documents["NOTICES.txt"],
      "arpflush.spdx.json": documents["arpflush.spdx.json"],
    });
    await run(["dpkg-buildpackage", "--build=binary", "--no-sign"], { cwd: source, env });
    const files = ["arpflush", "arpflush-service"].map((name) => `${name}_${version}_amd64.deb`);
    for (const file of files) await Deno.rename(`${stage}/${file}`, `${output}/${file}`);
    return files;
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
}

/** debian/changelog with one version in it; debhelper takes version and time from there. */
function debianChangelog(version: string, changes: readonly string[], epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  // Lines of 80 columns at most.
  const folded = changes.map((item) => item.replaceAll(/(.{1,72})(?: |$)/g, "$1\n    ").trimEnd());
  return `arpflush (${version}) stable; urgency=medium

${folded.map((item) => `  * ${item}\n`).join("")}
 -- ${publisher.maintainer}  ${date}
`;
}

/**
 * Makes archive and packages of a folder that `pack()` made; gives their names. The archive's bytes
 * depend on nothing but the files and the time: names are sorted, owners are root.
 */
export async function releaseLinux(packed: string, parts: ReleaseParts): Promise<string[]> {
  const { output, version, epoch, documents } = parts;
  const debs = await makeDebs(packed, parts);
  await addTexts(packed, documents);
  const archive = `arpflush-${version}-linux-x64.tar.gz`;
  await run([
    ...["tar", "--create", `--file=${output}/${archive}`, "--format=ustar"],
    ...["--sort=name", `--mtime=@${epoch}`, "--mode=u=rwX,go=rX"],
    ...["--owner=root:0", "--group=root:0"],
    `--use-compress-program=gzip --no-name -9`,
    ...[`--directory=${packed}/..`, nameOf(packed)],
  ], { env });
  return [archive, ...debs];
}

/** What an administrator of Windows reads, and install.ps1 points to. */
const pagesForWindows = ["windows.md", "settings.md", "events.md"];

/**
 * Adds to a folder with the executables what goes with them, and makes the archive, which has no
 * entries for folders; gives its name.
 */
export async function releaseWindows(compiled: string, parts: ReleaseParts): Promise<string[]> {
  const { output, version, epoch, documents } = parts;
  for (const file of ["install.ps1", "LICENSE", ...pagesForWindows.map((page) => `docs/${page}`)]) {
    await Deno.copyFile(`${root}/${file}`, `${compiled}/${file.replace("docs/", "")}`);
  }
  await addTexts(compiled, documents);
  // The installer trusts only what is listed.
  await writeSums(compiled, ["arpflush.exe", "arpflush-service.exe", "install.ps1"]);
  const names = (await Array.fromAsync(Deno.readDir(compiled))).map(({ name }) => name).sort();
  for (const name of names) {
    await Deno.chmod(`${compiled}/${name}`, name.endsWith(".exe") ? 0o755 : 0o644);
    await Deno.utime(`${compiled}/${name}`, epoch, epoch);
  }
  const archive = `arpflush-${version}-windows-x64.zip`;
  const input = names.map((name) => `${nameOf(compiled)}/${name}\n`).join("");
  const line = ["zip", "-q", "-X", "-9", `${output}/${archive}`, "-@"];
  await run(line, { cwd: `${compiled}/..`, env, input });
  return [archive];
}

/** The last part of a path: of an archive, its only folder. */
const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

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

/** Makes the release of some platforms in a folder that it makes anew; gives the names of its files. */
async function makeRelease(chosen: readonly Platform[], output: string): Promise<string[]> {
  await Deno.remove(output, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(output, { recursive: true });
  const parts = await releaseParts(output);
  const bill = `arpflush-${parts.version}.spdx.json`;
  await addTexts(output, { [bill]: parts.documents["arpflush.spdx.json"] });
  const files = [bill];
  try {
    for (const platform of chosen) files.push(...await makePlatform(platform, parts));
  } finally {
    await Deno.remove(`${output}/stage`, { recursive: true }).catch(() => {});
  }
  await writeSums(output, files);
  await Deno.chmod(`${output}/SHA256SUMS`, 0o644);
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
    const files = await makeRelease(chosen, `${await Deno.realPath(root)}/dist/release`);
    console.log(`Made in dist/release:\n${files.join("\n")}`);
  } catch (error) {
    console.error(`Cannot make dist/release: ${messageOf(error)}`);
    Deno.exit(1);
  }
}
