/**
 * Archives whose bytes depend on nothing but what is in them and the date given: names are sorted,
 * owners are root, and times are that date.
 */
import { runTool } from "./tool.ts";

/** What to put where. */
export interface ArchiveSource {
  /** The folder that the archive's only folder is in. */
  readonly parent: string;
  /** That folder's name. */
  readonly name: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** Of compression: 1 is fast, 9 is small. */
  readonly level: number;
}

/** Makes a .tar.gz. */
export async function makeTar(output: string, source: ArchiveSource): Promise<void> {
  const { parent, name, epoch, level } = source;
  await runTool("tar", [
    ...["--create", `--file=${output}`, `--directory=${parent}`, "--format=ustar"],
    ...["--sort=name", `--mtime=@${epoch}`, "--mode=u=rwX,go=rX"],
    ...["--owner=root:0", "--group=root:0"],
    ...[`--use-compress-program=gzip --no-name -${level}`, name],
  ]);
}

/** Makes a .zip, of files alone; `output` is an absolute path. */
export async function makeZip(output: string, source: ArchiveSource): Promise<void> {
  const { parent, name, epoch, level } = source;
  const files = (await filesBelow(`${parent}/${name}`)).map((path) => `${name}/${path}`).sort();
  // Its format has no time zone, and no seconds that are odd.
  for (const file of files) await Deno.utime(`${parent}/${file}`, epoch, epoch);
  const names = files.map((file) => `${file}\n`).join("");
  await runTool("zip", ["-q", "-X", `-${level}`, output, "-@"], { cwd: parent, input: names });
}

/** Every file below a folder, as paths from it. */
export async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    if (isDirectory) {
      const below = await filesBelow(`${folder}/${name}`);
      files.push(...below.map((path) => `${name}/${path}`));
    } else if (isFile) files.push(name);
  }
  return files;
}
