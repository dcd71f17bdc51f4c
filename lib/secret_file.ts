/** Files that hold a key or a password: read only if nobody but their owner can get at them. */
import { systemReason } from "./errors.ts";

/** More than a thousand keys need; a larger file is a mistake (a device, a wrong path). */
const maxBytes = 64 * 1024;

/** Mode bits that let group or others read, and those that let them do anything. */
const othersRead = 0o044;
const others = 0o077;

/**
 * The text of a secret file, in UTF-8. Throws an Error whose message is one whole line that names
 * what the file is for, the path and the reason, and nothing of the content. On systems with file
 * modes it is refused when anybody but its owner, the group included, may do anything with it. The
 * mode is the opened file's own: no race with a rename.
 */
export function readSecretFile(path: string, what = "key file"): string {
  const cannot = (reason: string) => new Error(`Cannot read ${what} "${path}": ${reason}`);
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    throw cannot(systemReason(error));
  }
  try {
    const refused = modeFault(file.statSync().mode, path);
    if (refused !== null) throw cannot(refused);
    return readText(file, cannot);
  } finally {
    file.close();
  }
}

/** Why a file mode doesn't do for a secret, with the command that mends it; null if it does. */
function modeFault(mode: number | null, path: string): string | null {
  // On Windows access control lists decide, and the mode says nothing.
  if (Deno.build.os === "windows") return null;
  if (mode === null || (mode & others) === 0) return null;
  const can = (mode & othersRead) !== 0 ? "read" : "use";
  const digits = (mode & 0o7777).toString(8).padStart(4, "0");
  return `refused, others can ${can} it (mode ${digits}); run chmod 600 ${shellWord(path)}`;
}

/** A path as one word of a shell command. */
function shellWord(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function readText(file: Deno.FsFile, cannot: (reason: string) => Error): string {
  const buffer = new Uint8Array(maxBytes + 1);
  let length = 0;
  try {
    while (length < buffer.length) {
      const count = file.readSync(buffer.subarray(length));
      if (count === null) break;
      length += count;
    }
  } catch (error) {
    throw cannot(systemReason(error));
  }
  if (length > maxBytes) throw cannot(`it is larger than ${maxBytes / 1024} KiB`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, length));
  } catch {
    throw cannot("it is not UTF-8 text");
  }
}
