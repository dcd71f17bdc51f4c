/**
 * Keeps a metrics file as new as the counters: written when they have changed, at most once a second,
 * and once a minute anyway, so that the file's age tells whether the service lives. What goes wrong
 * with the file goes into the log, and nowhere else.
 */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import type { Counters } from "../receiver/counters.ts";
import type { After } from "../time.ts";

/** What a publisher needs. */
export interface PublisherParts {
  readonly counters: Pick<Counters, "whenCounted">;
  /** The file's text as of now. */
  readonly text: () => string;
  readonly report: Report;
  readonly after: After;
  /** @default the file system's */
  readonly files?: {
    readonly replace: (path: string, text: string) => Promise<void>;
    readonly remove: (path: string) => Promise<void>;
  };
}

/** A publisher; it does nothing before its first `configure`. */
export interface Publisher {
  /** Writes to this path from now on, empty: nowhere; a file at an earlier path is removed. */
  configure(path: string): void;
  /** Writes a last time; resolves when that is done, and leaves the file. */
  stop(): Promise<void>;
}

const soonMs = 1_000;
const anywayMs = 60_000;
/** On Windows a file can't be replaced while somebody reads it: one failure is none. */
const failuresSaid = 2;

/** A publisher of counters. */
export function createPublisher(parts: PublisherParts): Publisher {
  const { counters, text, report, after } = parts;
  const { replace, remove } = parts.files ?? { replace: replaceFile, remove: removeFile };
  let path = "";
  /** Where files were that nobody is to read any more. */
  const obsolete = new Set<string>();
  let stopped = false;
  let failures = 0;
  let cancel = () => {};
  let queued = false;
  let writing = false;
  let changed = false;
  /** One write at a time; never rejects. */
  let work = Promise.resolve();

  function arm(ms: number): void {
    cancel();
    cancel = after(ms, writeNext);
  }
  function writeNext(): void {
    if (!queued) work = work.then(write);
    queued = true;
  }
  function onChange(): void {
    changed = true;
    if (!writing && !stopped) arm(soonMs);
  }

  async function write(): Promise<void> {
    queued = false;
    await discard();
    if (path === "") return;
    cancel();
    const to = path;
    writing = true;
    changed = false;
    counters.whenCounted(onChange);
    try {
      await replace(to, text());
      if (failures >= failuresSaid) report("metricsWork", { path: to });
      failures = 0;
    } catch (error) {
      failures++;
      if (failures === failuresSaid) {
        report("metricsFailed", { path: to, error: systemReason(error) });
      }
    }
    writing = false;
    if (to === path && !stopped) arm(changed || failures > 0 ? soonMs : anywayMs);
  }

  async function discard(): Promise<void> {
    for (const old of obsolete) {
      obsolete.delete(old);
      try {
        await remove(old);
      } catch (error) {
        report("metricsNotRemoved", { path: old, error: systemReason(error) });
      }
    }
  }

  return {
    configure(next) {
      if (stopped) return;
      if (next === path) {
        if (next !== "") onChange();
        return;
      }
      cancel();
      counters.whenCounted(null);
      failures = 0;
      if (path !== "") obsolete.add(path);
      obsolete.delete(next);
      path = next;
      writeNext();
    },
    stop() {
      stopped = true;
      cancel();
      writeNext();
      return work;
    },
  };
}

// A file whose readers see the old text or the new one, and never a part.

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
