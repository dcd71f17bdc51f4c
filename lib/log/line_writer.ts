/**
 * Lines to a stream that may be slow, full or closed: they wait in a bounded queue, and whatever
 * goes wrong there never reaches the caller.
 */

/** What is written to; `Deno.stderr` is one. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Writes lines in their order. */
export interface LineWriter {
  /** Adds a line (without its end) to the queue; never throws and never waits. */
  write(line: string): void;
  /** Resolves when the queue is empty, at the latest after a time in ms. */
  flush(atMostMs: number): Promise<void>;
}

/** Lines that wait at most; further ones are lost, and the next line that fits says how many. */
const waitingMost = 1_000;

/** A writer over a sink. */
export function createLineWriter(sink: ByteSink): LineWriter {
  const utf8 = new TextEncoder();
  let waiting: string[] = [];
  let lost = 0;
  let writing: Promise<void> | null = null;

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const lines = waiting;
      waiting = [];
      try {
        let bytes = utf8.encode(lines.join("\n") + "\n");
        while (bytes.length > 0) bytes = bytes.subarray(await sink.write(bytes));
      } catch {
        // A closed pipe or a full disk: these lines are lost, the next ones are tried again.
      }
    }
    writing = null;
  }

  return {
    write(line) {
      if (waiting.length >= waitingMost) {
        lost++;
        return;
      }
      if (lost > 0) waiting.push(`(${lost} lines of the log are lost: it is written too slowly)`);
      lost = 0;
      waiting.push(line);
      writing ??= writeAll();
    },
    async flush(atMostMs) {
      if (writing === null) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, atMostMs);
      await Promise.race([writing, promise]);
      clearTimeout(timer);
    },
  };
}
