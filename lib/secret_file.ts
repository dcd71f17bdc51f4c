/** Files that are read only if nobody but their owner can get at them, or change them. */
import { systemReason } from "./errors.ts";

/** More than a thousand keys; a larger file is a mistake (a wrong path). */
const maxBytes = 64 * 1024;

/** Permission bits of everybody but the owner. */
const others = { any: 0o077, read: 0o044, write: 0o022 } as const;
/**
 * Where systemd puts a unit's credentials: only root makes files there. It lets the unit's user read
 * them by an access list where the file system has them, whose mask then stands for the group.
 */
const credentials = { folder: "/run/credentials/", any: 0o037 } as const;

/** Whether there is no file at a path; what can't be told is for who reads it to say. */
export function isMissing(path: string): boolean {
  try {
    Deno.statSync(path);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

/**
 * The text of a secret file, in UTF-8. Throws an Error whose message is one whole line that names
 * what the file is for, the path and the reason, and nothing of the content. On systems with file
 * modes it is refused when anybody but its owner, the group included, may do anything with it.
 */
export function readSecretFile(path: string, what = "key file"): string {
  return readGuarded(path, what, (mode) => {
    const forbidden = path.startsWith(credentials.folder) ? credentials.any : others.any;
    if ((mode & forbidden) === 0) return null;
    const can = (mode & others.read) !== 0 ? "read" : "use";
    return `others can ${can} it (mode ${modeText(mode)}); run chmod 600`;
  });
}

/**
 * The text of a file that others may read, but that is refused, on systems with file modes, when
 * anybody but its owner may change it. Otherwise as `readSecretFile`.
 */
export function readTrustedFile(path: string, what: string): string {
  return readGuarded(
    path,
    what,
    (mode) =>
      (mode & others.write) === 0
        ? null
        : `others can change it (mode ${modeText(mode)}); run chmod go-w`,
  );
}

function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

/**
 * Reads a regular file whose mode is allowed: `fault` says why one isn't, and ends with the command
 * that mends it. The file is looked at before it is opened, as opening a pipe or a device may wait or
 * do something, and again when it is open, as it may be another one by then.
 */
function readGuarded(
  path: string,
  what: string,
  fault: (mode: number) => string | null,
): string {
  const cannot = (reason: string) => new Error(`Cannot read ${what} "${path}": ${reason}`);
  let file: Deno.FsFile;
  try {
    if (!Deno.statSync(path).isFile) throw new Error("it is not a regular file");
    file = Deno.openSync(path);
  } catch (error) {
    throw cannot(systemReason(error));
  }
  try {
    const { isFile, mode } = file.statSync();
    if (!isFile) throw cannot("it is not a regular file");
    // Windows has access control lists in the place of a mode.
    const refused = mode === null || Deno.build.os === "windows" ? null : fault(mode);
    if (refused !== null) throw cannot(`refused, ${refused} ${shellWord(path)}`);
    return readText(file, cannot);
  } finally {
    file.close();
  }
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
