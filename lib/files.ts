/**
 * Files that others read while they are written: replaced in one go, or appended to a line at a time,
 * by several processes at once.
 */
import { type After, sleep, systemAfter } from "./time.ts";

/**
 * Replaces a file's text so that readers see the old text or the new one and never a part; readable
 * for everybody as far as the process's umask allows. Rejects with the system's error; the old text
 * stays then. No link is followed under either name, so whoever may write in the folder can't lead
 * this elsewhere. One process at a time may do so; `updateFile` sees to that. It isn't synced to the
 * disk: after a loss of power it is written anew.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  // The collectors read only what ends in `.prom`.
  const temporary = `${path}.tmp`;
  // One may be left of a process that was killed while it wrote.
  await removeFile(temporary);
  try {
    await Deno.writeTextFile(temporary, text, { createNew: true, mode: 0o644 });
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeFile(temporary).catch(() => {});
    throw error;
  }
}

/** Removes a file, if it is there. */
export async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Others hold the lock for as long as a small write takes; a disk that hangs is not waited for. */
const maxLockWaitMs = 2_000;
const lockRetryMs = 10;

/**
 * Opens a file, made if it is not there, that no other process opens in this way until it is closed.
 * Rejects if it is a link, no regular file, or locked for longer than 2 s.
 */
async function openLocked(
  path: string,
  how: Deno.OpenOptions,
  after: After,
): Promise<Deno.FsFile> {
  for (let waitedMs = 0; waitedMs < maxLockWaitMs; waitedMs += lockRetryMs) {
    const file = await openRegular(path, how) ??
      await Deno.open(path, { append: true, create: true, read: true, mode: 0o644 });
    try {
      // It may have been renamed before it was locked.
      if (await file.tryLock(true) && await isAt(path, file)) return file;
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    await sleep(after, lockRetryMs);
  }
  throw new Error("another process has locked it");
}

/** Opens a file; null if it isn't there. A pipe or a device may do something when it is opened. */
async function openRegular(path: string, how: Deno.OpenOptions): Promise<Deno.FsFile | null> {
  try {
    if (!(await Deno.lstat(path)).isFile) throw new Error("it is not a regular file");
    return await Deno.open(path, how);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function isAt(path: string, file: Deno.FsFile): Promise<boolean> {
  try {
    const [{ ino, dev }, own] = await Promise.all([Deno.lstat(path), file.stat()]);
    return ino === own.ino && dev === own.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The bytes of a file from an offset on, up to `max`. */
async function readUpTo(file: Deno.FsFile, from: number, max: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(max);
  await file.seek(from, Deno.SeekMode.Start);
  let length = 0;
  for (let read; length < max && (read = await file.read(bytes.subarray(length)));) length += read;
  return bytes.subarray(0, length);
}

/**
 * The last `maxBytes` of a file at most, from the beginning of a line on; null: no such file. Rejects
 * with the system's error.
 */
export async function readTail(path: string, maxBytes: number): Promise<string | null> {
  const file = await openRegular(path, { read: true });
  if (file === null) return null;
  try {
    const from = Math.max(0, (await file.stat()).size - maxBytes);
    const text = new TextDecoder().decode(await readUpTo(file, from, maxBytes));
    return from === 0 ? text : text.slice(text.indexOf("\n") + 1);
  } finally {
    file.close();
  }
}

/** A larger file is a mistake (a wrong path). */
const maxUpdatedBytes = 1024 * 1024;

/**
 * Replaces a file's text by what `change` makes of it (of nothing if there is no file), as
 * `replaceFile` does. No change of another process that calls this is lost: the file `.lock` beside
 * it, which stays, is locked. Rejects with the system's error or what `change` throws; the old text
 * stays then.
 */
export async function updateFile(
  path: string,
  change: (text: string) => string,
  after: After = systemAfter,
): Promise<void> {
  const lock = await openLocked(`${path}.lock`, { read: true }, after);
  try {
    const text = await readTail(path, maxUpdatedBytes) ?? "";
    await replaceFile(path, change(text));
  } finally {
    lock.close();
  }
}

const lineFeed = "\n".charCodeAt(0);

/** The name that `appendLine` gives a file that is full. */
export const rotatedPath = (path: string) => `${path}.1`;

/**
 * Appends a line by a single write. A file that would grow over `maxBytes` gets the name
 * `rotatedPath(path)` before, in the place of the one that has it. What a process that was killed, or
 * a full disk, left of a line gets a line of its own. Rejects with the system's error, and for a file
 * that doesn't begin with the line's first character: it is another kind of file.
 */
export async function appendLine(
  path: string,
  line: string,
  maxBytes: number,
  after: After = systemAfter,
): Promise<void> {
  const text = `${line}\n`;
  for (;;) {
    const file = await openLocked(path, { read: true, append: true }, after);
    try {
      const { size } = await file.stat();
      if (size > 0 && (await readUpTo(file, 0, 1))[0] !== text.charCodeAt(0)) {
        throw new Error("it holds something else");
      }
      const isTorn = size > 0 && (await readUpTo(file, size - 1, 1))[0] !== lineFeed;
      const bytes = new TextEncoder().encode(isTorn ? `\n${text}` : text);
      if (size > 0 && size + bytes.length > maxBytes) {
        await Deno.rename(path, rotatedPath(path));
        continue;
      }
      const written = await file.write(bytes);
      if (written === bytes.length) return;
      throw new Error(`only ${written} of ${bytes.length} bytes were written`);
    } finally {
      file.close();
    }
  }
}
