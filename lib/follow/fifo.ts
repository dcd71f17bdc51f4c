/**
 * The FIFO that keepalived writes into. It is opened read and write, so that neither opening waits for
 * a writer nor reading ends with one.
 */
import { systemReason } from "../errors.ts";

/** All that a pipe holds on Linux. */
const bufferLength = 65_536;

/** An open FIFO, of which this process is the only reader that asks. */
export class Fifo {
  readonly #path: string;
  readonly #reader: Deno.FsFile;
  /** What is read takes a thread until something comes: this descriptor wakes it. */
  readonly #waker: Deno.FsFile;
  readonly #identity: string;
  readonly #buffer = new Uint8Array(bufferLength);
  #isReading = false;
  #isClosed = false;

  constructor(path: string, reader: Deno.FsFile, waker: Deno.FsFile) {
    this.#path = path;
    this.#reader = reader;
    this.#waker = waker;
    this.#identity = identityOf(waker.statSync());
  }

  /** Whether the path leads to this FIFO still: who made it may have deleted it. */
  isInPlace(): boolean {
    try {
      return identityOf(Deno.statSync(this.#path)) === this.#identity;
    } catch {
      return false;
    }
  }

  /**
   * Takes out what was written before: lines of a time that is over. Resolves with what came after.
   * A line of this process's own is where that begins.
   */
  async drain(): Promise<Uint8Array<ArrayBuffer>> {
    const mark = new TextEncoder().encode(`\nARPFLUSH ${crypto.randomUUID()}\n`);
    // Nothing else that is at most 4,096 bytes long can come in between its bytes: pipe(7).
    const written = this.#waker.write(mark);
    let seen = new Uint8Array(0);
    for (;;) {
      const bytes = await this.read();
      const joined = new Uint8Array(seen.length + bytes.length);
      joined.set(seen);
      joined.set(bytes, seen.length);
      const at = indexOf(joined, mark);
      if (at >= 0 || this.#isClosed) {
        await written;
        return at < 0 ? new Uint8Array(0) : joined.slice(at + mark.length);
      }
      seen = joined.slice(Math.max(0, joined.length - mark.length));
    }
  }

  /** Waits for bytes; none once it is closed. What it resolves with is good until the next call. */
  async read(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#isClosed) return new Uint8Array(0);
    this.#isReading = true;
    try {
      const count = await this.#reader.read(this.#buffer) ?? 0;
      return this.#isClosed ? new Uint8Array(0) : this.#buffer.subarray(0, count);
    } finally {
      this.#isReading = false;
      if (this.#isClosed) this.#reader.close();
    }
  }

  /** Lets go of it, and ends a `read` that waits. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#isReading) this.#waker.writeSync(Uint8Array.of(10));
    else this.#reader.close();
    this.#waker.close();
  }
}

/** Another process reads the FIFO: lines would go to either. */
export class FifoTakenError extends Error {}

/**
 * Opens a FIFO. Throws an Error whose message is one whole line if there is none or something else,
 * and a `FifoTakenError` if another process has opened it so.
 */
export function openFifo(path: string): Fifo {
  const cannot = (reason: string) => `Cannot follow "${path}": ${reason}`;
  const files: Deno.FsFile[] = [];
  try {
    // Looked at before it is opened: opening a device may do something, and a file would be written to.
    if (Deno.statSync(path).isFifo !== true) throw new Error("it is not a FIFO");
    for (let i = 0; i < 2; i++) files.push(Deno.openSync(path, { read: true, write: true }));
    const [reader, waker] = files;
    if (waker.statSync().isFifo !== true) throw new Error("it is not a FIFO");
    if (!waker.tryLockSync(true)) {
      throw new FifoTakenError("another process reads it, and each line goes to one of the two");
    }
    return new Fifo(path, reader, waker);
  } catch (error) {
    for (const file of files) file.close();
    if (error instanceof Deno.errors.NotCapable) throw error;
    const message = cannot(systemReason(error));
    throw error instanceof FifoTakenError ? new FifoTakenError(message) : new Error(message);
  }
}

function identityOf({ dev, ino }: Deno.FileInfo): string {
  return `${dev} ${ino}`;
}

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let at = bytes.indexOf(part[0]); at >= 0; at = bytes.indexOf(part[0], at + 1)) {
    if (part.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
