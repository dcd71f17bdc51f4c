/** A file whose readers see the old text or the new one, and never a part. */

/** What is written first; the collectors read only what ends in `.prom`. */
const temporaryOf = (path: string) => `${path}.tmp`;

/**
 * Replaces a file's text, readable for everybody as far as the process's umask allows. Rejects with
 * the system's error; the old text stays then. Nothing is followed: who may write in the folder can't
 * lead this elsewhere by a link under either name. It isn't synced to the disk: after a loss of power
 * the service writes it anew when it starts.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = temporaryOf(path);
  // Of a process that was killed just then.
  await removeFile(temporary);
  try {
    await Deno.writeTextFile(temporary, text, { createNew: true, mode: 0o644 });
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeFile(temporary).catch(() => {});
    throw error;
  }
}

/** Removes a file; none is fine. */
export async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
