/** The file tree of a package: which file goes where, whatever the umask. */
import { runTool } from "../tool.ts";
import type { Description } from "./description.ts";

/** What the packages are made of. */
export interface DebMaterial {
  /** The folder for routers and hosts that `pack()` made. */
  readonly packed: string;
  readonly version: string;
  /** Of all files, in seconds since 1970. */
  readonly epoch: number;
  /** In Debian's format, by package. */
  readonly changelog: (name: string) => string;
  readonly copyright: string;
  /** More files of documentation by name. */
  readonly documents: Readonly<Record<string, string>>;
  /** The manual pages by file name. */
  readonly manualPages: Readonly<Record<string, string>>;
}

const unitInFolder = "/opt/arpflush/";
const here = new URL(".//", import.meta.url);

/** Where the commands are. */
function commandOf({ name, commandFolder }: Description): string {
  return `usr/${commandFolder}/${name}`;
}

/** Text of the folder with the paths of the packages. */
export function relocated(text: string): string {
  return text
    .replaceAll(`${unitInFolder}arpflush-service`, "/usr/sbin/arpflush-service")
    .replaceAll(`${unitInFolder}arpflush`, "/usr/bin/arpflush");
}

/** The unit file for a package. Throws an Error if it isn't the one this was written for. */
export function packagedUnit(unit: string): string {
  const text = relocated(unit)
    .replace(/^# ArpFlush's service[^]*?\n#\n/, "# ArpFlush's service under systemd.\n#\n")
    .replace(/^(Description=.*)$/m, "$1\nDocumentation=man:arpflush-service(8)");
  const wanted = ["ExecStart=/usr/sbin/arpflush-service\n", "Documentation=man:"];
  if (wanted.some((line) => !text.includes(line)) || text.includes("/opt")) {
    throw new Error("Cannot adapt arpflush.service to a package");
  }
  return text;
}

/** Makes the tree of a package in an empty folder. */
export async function makeTree(
  root: string,
  description: Description,
  material: DebMaterial,
): Promise<void> {
  const { name, manual, configuration, examples } = description;
  const { packed, changelog, copyright, documents, manualPages } = material;
  const library = `usr/lib/${name}`;
  const documentation = `usr/share/doc/${name}`;
  for (const [file, mode] of [["deno", 0o755], [name, 0o755], [`${name}.js`, 0o644]] as const) {
    await place(
      root,
      `${library}/${file}`,
      (path) => Deno.copyFile(`${packed}/${file}`, path),
      mode,
    );
  }
  // The runtime keeps a cache beside itself, which is not for /usr.
  await Deno.mkdir(`${root}/var/cache/${name}`, { recursive: true });
  await link(root, `${library}/cache`, `/var/cache/${name}`);
  await link(root, commandOf(description), `../lib/${name}/${name}`);
  for (const [file, target] of Object.entries(configuration)) {
    await put(root, target, await Deno.readTextFile(`${packed}/${file}`));
  }
  await Deno.mkdir(`${root}/etc/arpflush`, { recursive: true });
  if (name === "arpflush-service") {
    const unit = packagedUnit(await Deno.readTextFile(`${packed}/arpflush.service`));
    await put(root, "lib/systemd/system/arpflush.service", unit);
  }
  await put(root, `${documentation}/copyright`, copyright);
  for (const [file, text] of Object.entries(documents)) {
    await put(root, `${documentation}/${file}`, text);
  }
  for (const file of examples) {
    const text = relocated(await Deno.readTextFile(`${packed}/${file}`));
    await put(root, `${documentation}/examples/${file}`, text);
  }
  await putCompressed(root, `${documentation}/changelog`, changelog(name));
  const folder = `usr/share/man/man${manual.slice(-1)}`;
  await putCompressed(root, `${folder}/${manual}`, manualPages[manual]);
  const overrides = await Deno.readTextFile(new URL("lintian-overrides", here));
  await put(root, `usr/share/lintian/overrides/${name}`, overrides);
  await makeReadable(root);
}

async function put(root: string, target: string, text: string, mode = 0o644): Promise<void> {
  await place(root, target, (path) => Deno.writeTextFile(path, text), mode);
}

async function place(
  root: string,
  target: string,
  write: (path: string) => Promise<void>,
  mode: number,
): Promise<void> {
  const path = `${root}/${target}`;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await write(path);
  await Deno.chmod(path, mode);
}

/** By ln: Deno makes links only for programs that may write anywhere. */
async function link(root: string, path: string, target: string): Promise<void> {
  await Deno.mkdir(`${root}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
  await runTool("ln", ["-s", target, `${root}/${path}`]);
}

async function putCompressed(root: string, target: string, text: string): Promise<void> {
  await put(root, target, text);
  await runTool("gzip", ["--no-name", "-9", `${root}/${target}`]);
}

/** Folders are for everybody; files have their modes already. */
async function makeReadable(folder: string): Promise<void> {
  await Deno.chmod(folder, 0o755);
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) await makeReadable(`${folder}/${name}`);
  }
}
