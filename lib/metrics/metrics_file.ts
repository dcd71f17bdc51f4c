/**
 * Keeps a metrics file as new as the counters: written a second after they changed, and once a
 * minute anyway, so that the file's age tells whether the service lives. What goes wrong with the
 * file is reported, and hinders nothing else.
 */
import { systemReason } from "../errors.ts";
import { removeFile, replaceFile } from "../files.ts";
import type { Report } from "../log/events.ts";
import type { Counters } from "../receiver/counters.ts";
import type { Time } from "../time.ts";

/** What a metrics file is written with. */
interface MetricsFileParts {
  readonly counters: Pick<Counters, "whenCounted">;
  /** The file's text as of now. */
  readonly text: () => string;
  readonly report: Report;
  readonly time: Time;
  /** @default the file system's */
  readonly files?: {
    readonly replace: (path: string, text: string) => Promise<void>;
    readonly remove: (path: string) => Promise<void>;
  };
}

/** From a change to the write, and between two writes: one a second at most. */
const changeDelayMs = 1_000;
/** Between two writes without a change. */
const maxAgeMs = 60_000;
/** On Windows a file can't be replaced while somebody reads it: one failure isn't reported. */
const reportedFailures = 2;

/** The metrics file of a service; nothing is written before its first `configure`. */
export class MetricsFile {
  readonly #parts: MetricsFileParts;
  readonly #replace: (path: string, text: string) => Promise<void>;
  readonly #remove: (path: string) => Promise<void>;
  #path = "";
  /** Earlier paths of files that are to be removed. */
  readonly #obsolete = new Set<string>();
  #isStopped = false;
  #failures = 0;
  #cancelTimer = () => {};
  #isQueued = false;
  #isWriting = false;
  /** Whether anything was counted since the last write began. */
  #isChanged = false;
  /** Writes one after the other; never rejects. */
  #writes = Promise.resolve();

  constructor(parts: MetricsFileParts) {
    this.#parts = parts;
    this.#replace = parts.files?.replace ?? replaceFile;
    this.#remove = parts.files?.remove ?? removeFile;
  }

  /** Writes to this path from now on, empty: nowhere; a file at an earlier path is removed. */
  configure(path: string): void {
    if (this.#isStopped) return;
    if (path === this.#path) {
      if (path !== "") this.#onChange();
      return;
    }
    this.#cancelTimer();
    this.#parts.counters.whenCounted(null);
    this.#failures = 0;
    if (this.#path !== "") this.#obsolete.add(this.#path);
    this.#obsolete.delete(path);
    this.#path = path;
    this.#queueWrite();
  }

  /** Writes a last time; resolves when that is done, and leaves the file. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#queueWrite();
    return this.#writes;
  }

  #setTimer(ms: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#parts.time.after(ms, () => this.#queueWrite());
  }

  #queueWrite(): void {
    if (!this.#isQueued) this.#writes = this.#writes.then(() => this.#write());
    this.#isQueued = true;
  }

  #onChange(): void {
    this.#isChanged = true;
    if (!this.#isWriting && !this.#isStopped) this.#setTimer(changeDelayMs);
  }

  async #write(): Promise<void> {
    const { counters, text, report } = this.#parts;
    this.#isQueued = false;
    await this.#removeObsolete();
    if (this.#path === "") return;
    this.#cancelTimer();
    const path = this.#path;
    this.#isWriting = true;
    this.#isChanged = false;
    counters.whenCounted(() => this.#onChange());
    try {
      await this.#replace(path, text());
      if (this.#failures >= reportedFailures) report("metricsWork", { path });
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      if (this.#failures === reportedFailures) {
        report("metricsFailed", { path, error: systemReason(error) });
      }
    }
    this.#isWriting = false;
    if (path !== this.#path || this.#isStopped) return;
    this.#setTimer(this.#isChanged || this.#failures > 0 ? changeDelayMs : maxAgeMs);
  }

  async #removeObsolete(): Promise<void> {
    for (const path of this.#obsolete) {
      this.#obsolete.delete(path);
      try {
        await this.#remove(path);
      } catch (error) {
        this.#parts.report("metricsNotRemoved", { path, error: systemReason(error) });
      }
    }
  }
}
