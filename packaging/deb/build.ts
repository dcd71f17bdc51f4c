/** Making the .deb files, by dpkg-deb. */
import { filesBelow } from "../archive.ts";
import { runTool } from "../tool.ts";
import { type Description, descriptions } from "./description.ts";
import { type DebMaterial, makeTree } from "./tree.ts";

/** How the packages are compressed. */
export interface DebCompression {
  readonly type: "xz" | "gzip" | "none";
  readonly level: number;
}

/** Nobody answers there: the archive that the packages are from is the contact. */
const maintainer = "ArpFlush authors <arpflush@arpflush.invalid>";
const here = new URL(".//", import.meta.url);

/** A changelog in Debian's format, of one version. */
export function debianChangelog(
  name: string,
  version: string,
  items: readonly string[],
  epoch: number,
): string {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  const entries = items.map((item) => `  * ${folded(item)}\n`).join("");
  return `${name} (${version}) stable; urgency=medium\n\n${entries}\n -- ${maintainer}  ${date}\n`;
}

/** Lines of 80 columns at most, indented by four. */
function folded(text: string): string {
  return text.replaceAll(/(.{1,72})(?: |$)/g, "$1\n    ").trimEnd();
}

/** Makes both packages in a folder, and gives their names. */
export async function buildDebs(
  output: string,
  material: DebMaterial,
  compression: DebCompression,
): Promise<string[]> {
  const files: string[] = [];
  for (const description of descriptions) {
    const root = await Deno.makeTempDir({ dir: output, prefix: "deb-" });
    try {
      await makeTree(root, description, material);
      await addControl(root, description, material);
      const file = `${description.name}_${material.version}_amd64.deb`;
      const { type, level } = compression;
      const how = [`-Z${type}`, `-z${level}`, "--root-owner-group"];
      await runTool("dpkg-deb", [...how, "--build", root, `${output}/${file}`], {
        epoch: material.epoch,
      });
      files.push(file);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  }
  return files;
}

async function addControl(root: string, description: Description, { version }: DebMaterial) {
  const { name, fields, maintainerScripts, configuration } = description;
  const files = (await filesBelow(root)).sort();
  const conffiles = Object.values(configuration);
  const size = await installedSize(root);
  await Deno.mkdir(`${root}/DEBIAN`);
  await Deno.chmod(`${root}/DEBIAN`, 0o755);
  const sums = await runTool(
    "md5sum",
    ["--", ...files.filter((file) => !conffiles.includes(file))],
    { cwd: root },
  );
  await putControl(root, "md5sums", sums, 0o644);
  if (conffiles.length > 0) {
    const list = conffiles.map((file) => `/${file}\n`).join("");
    await putControl(root, "conffiles", list, 0o644);
  }
  for (const script of maintainerScripts) {
    const text = await Deno.readTextFile(new URL(`${name}.${script}`, here));
    await putControl(root, script, text, 0o755);
  }
  const { Description: text, ...relations } = fields;
  const control = {
    Package: name,
    Version: version,
    Architecture: "amd64",
    Maintainer: maintainer,
    "Installed-Size": String(size),
    ...relations,
    Section: "net",
    Priority: "optional",
    Description: text,
  };
  const lines = Object.entries(control).map(([field, value]) => `${field}: ${value}\n`);
  await putControl(root, "control", lines.join(""), 0o644);
}

async function putControl(root: string, name: string, text: string, mode: number): Promise<void> {
  await Deno.writeTextFile(`${root}/DEBIAN/${name}`, text);
  await Deno.chmod(`${root}/DEBIAN/${name}`, mode);
}

/** In KiB as dpkg-gencontrol counts: each file rounded up, each folder and link one. */
async function installedSize(folder: string): Promise<number> {
  let kibibytes = 1;
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) kibibytes += await installedSize(path);
    else kibibytes += isFile ? Math.ceil((await Deno.stat(path)).size / 1024) : 1;
  }
  return kibibytes;
}
