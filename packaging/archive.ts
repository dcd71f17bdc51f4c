/**
 * Archives whose bytes depend on nothing but their files and the date given (names are sorted, owners
 * are root, times are that date), and sums of files.
 */
import { run } from "../tests/support/command.ts";

/** What goes into an archive. */
interface ArchiveSource {
  /** The path of the folder that becomes the archive's only folder. */
  readonly folder: string;
  /** The time of all files, in seconds since 1970. */
  readonly epoch: number;
  /** Of compression: 1 is fast, 9 is small. */
  readonly level: number;
}

/** Tools write no translated text and no local time. */
const env = { LC_ALL: "C", TZ: "UTC" };

/** Makes a .tar.gz. */
export async function makeTar(output: string, source: ArchiveSource): Promise<void> {
  const { folder, epoch, level } = source;
  const [parent, name] = split(folder);
  await run([
    ...["tar", "--create", `--file=${output}`, `--directory=${parent}`, "--format=ustar"],
    ...["--sort=name", `--mtime=@${epoch}`, "--mode=u=rwX,go=rX"],
    ...["--owner=root:0", "--group=root:0"],
    ...[`--use-compress-program=gzip --no-name -${level}`, name],
  ], { env });
}

/** Makes a .zip of a folder of files, without entries for folders. `output` is an absolute path. */
export async function makeZip(output: string, source: ArchiveSource): Promise<void> {
  const { folder, epoch, level } = source;
  const [parent, name] = split(folder);
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) files.push(`${name}/${entry.name}`);
  for (const file of files) await Deno.utime(`${parent}/${file}`, epoch, epoch);
  const input = files.sort().map((file) => `${file}\n`).join("");
  await run(["zip", "-q", "-X", `-${level}`, output, "-@"], { cwd: parent, env, input });
}

function split(path: string): [parent: string, name: string] {
  const at = path.lastIndexOf("/");
  return [path.slice(0, at), path.slice(at + 1)];
}

/** The lines of SHA256SUMS for some files of a folder, sorted by name, as `sha256sum -c` reads them. */
export async function sumsOf(folder: string, names: readonly string[]): Promise<string> {
  let lines = "";
  for (const name of names.toSorted()) {
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(`${folder}/${name}`));
    lines += `${new Uint8Array(digest).toHex()}  ${name}\n`;
  }
  return lines;
}
