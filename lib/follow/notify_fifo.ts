/**
 * keepalived's `vrrp_notify_fifo`, and the lines that keepalived 2.2 writes into it:
 * `INSTANCE "lan" MASTER 100` and `GROUP "both" BACKUP 0`. What comes is untrusted: lines may be torn, of
 * other words, of any length, or no text at all. The FIFO is opened read and write, so that neither
 * opening waits for a writer nor reading ends with one.
 */
import { messageOf, RunError, systemReason } from "../errors.ts";
import { sleep, systemAfter } from "../time.ts";

/** How often a FIFO that can't be opened is tried again. */
const retryMs = 250;
/** All that a pipe holds on Linux. */
const bufferLength = 65_536;

/** The FIFO at a path, whichever it is at the time. */
export class NotifyFifo {
  readonly #path: string;
  readonly #warn: (text: string) => void;
  readonly #ending: AbortSignal;
  readonly #lines = new NotifyLines();
  #fifo: OpenFifo | null = null;

  /** One that is read until the signal is aborted. */
  constructor(path: string, warn: (text: string) => void, ending: AbortSignal) {
    this.#path = path;
    this.#warn = warn;
    this.#ending = ending;
    ending.addEventListener("abort", () => this.#fifo?.close());
  }

  /** Whether what is read is what keepalived writes into. */
  get isInPlace(): boolean {
    return this.#fifo?.isInPlace() === true;
  }

  /** Lets go of a FIFO that its path no longer leads to. */
  look() {
    if (this.#fifo !== null && !this.#fifo.isInPlace()) this.#fifo.close();
  }

  /**
   * Opens the FIFO as soon as there is one; false at the end. Rejects with a RunError if another process
   * reads it, unless it has been read here before.
   */
  async open(): Promise<boolean> {
    let said = "";
    while (!this.#ending.aborted) {
      try {
        this.#fifo = openFifo(this.#path);
        this.#lines.restart(this.#fifo.mark);
        return true;
      } catch (error) {
        if (error instanceof Deno.errors.NotCapable) throw error;
        if (error instanceof RunError && this.#fifo === null) throw error;
        const message = messageOf(error);
        if (message !== said) this.#warn(`${message}; waiting for it`);
        said = message;
        await sleep(systemAfter, retryMs, this.#ending);
      }
    }
    return false;
  }

  /** Reads until the end, and hands on lines; none: something may have changed all the same. */
  async read(note: (lines: readonly NotifyLine[]) => void): Promise<void> {
    const lines = this.#lines;
    let unknownToSay = 1;
    while (!this.#ending.aborted && this.#fifo !== null) {
      // What is unknown is a bell, too: lines that a full pipe had no room for are lost.
      note(lines.add(await this.#fifo.read()));
      if (lines.unknown >= unknownToSay) {
        this.#warn(`${lines.unknown} unknown lines, the last: ${lines.lastUnknown}`);
        unknownToSay = 10 * lines.unknown;
      }
      if (this.isInPlace || this.#ending.aborted) continue;
      this.#fifo.close();
      this.#warn(`"${this.#path}" was deleted or made anew: opening it again`);
      if (await this.open()) note([]);
    }
  }
}

/** An open FIFO, of which this process is the only reader that asks. */
class OpenFifo {
  /** The line of this process's own that ends what was written before: lines of a time that is over. */
  readonly mark = `ARPFLUSH ${crypto.randomUUID()}`;
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
    // Nothing else that is at most 4,096 bytes long can come in between its bytes: pipe(7). Where the
    // pipe is full it waits for a reader.
    waker.write(new TextEncoder().encode(`\n${this.mark}\n`)).catch(() => {});
  }

  /** Whether the path leads to this FIFO still: who made it may have deleted it. */
  isInPlace(): boolean {
    try {
      return identityOf(Deno.statSync(this.#path)) === this.#identity;
    } catch {
      return false;
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

/**
 * Opens a FIFO. Throws an Error whose message is one whole line if there is none or something else,
 * and a RunError if another process has opened it so: lines would go to either.
 */
function openFifo(path: string): OpenFifo {
  const cannot = (reason: string) => `Cannot follow "${path}": ${reason}`;
  const files: Deno.FsFile[] = [];
  try {
    // Looked at before it is opened: opening a device may do something, and a file would be written to.
    if (Deno.statSync(path).isFifo !== true) throw new Error("it is not a FIFO");
    for (let i = 0; i < 2; i++) files.push(Deno.openSync(path, { read: true, write: true }));
    const [reader, waker] = files;
    if (waker.statSync().isFifo !== true) throw new Error("it is not a FIFO");
    if (!waker.tryLockSync(true)) {
      const reason = "another process reads it, and each line goes to one of the two";
      throw new RunError(cannot(reason), 1);
    }
    return new OpenFifo(path, reader, waker);
  } catch (error) {
    for (const file of files) file.close();
    if (error instanceof Deno.errors.NotCapable || error instanceof RunError) throw error;
    throw new Error(cannot(systemReason(error)));
  }
}

function identityOf({ dev, ino }: Deno.FileInfo): string {
  return `${dev} ${ino}`;
}

const states = ["MASTER", "BACKUP", "FAULT", "STOP", "MASTER_RX_LOWER_PRI"] as const;

/** A line that means something here. */
export interface NotifyLine {
  readonly type: "INSTANCE" | "GROUP";
  readonly name: string;
  readonly state: typeof states[number];
}

/** Characters of a line: keepalived's names and words come to far less, and a longer one is garbage. */
const maxLineLength = 1_024;

/** What one line says; null for one of other words. */
function parseNotifyLine(text: string): NotifyLine | null {
  const match = /^(INSTANCE|GROUP) +(?:"(.*)"|(\S+)) +([A-Z_]+)(?: +\d{1,5})?$/.exec(text);
  const state = states.find((one) => one === match?.[4]);
  if (match === null || state === undefined) return null;
  const [, type, quoted, bare] = match;
  return { type: type === "GROUP" ? "GROUP" : "INSTANCE", name: quoted ?? bare, state };
}

/** Takes a stream of bytes apart. It keeps no more than a line's beginning. */
export class NotifyLines {
  #decoder = new TextDecoder();
  /** What has come of a line whose end is waited for: too long, if it is longer than lines may be. */
  #beginning = "";
  #mark: string | null = null;
  #unknown = 0;
  #lastUnknown = "";

  /** Begins anew with another stream, of which all counts for nothing up to a line. */
  restart(mark: string): void {
    this.#decoder = new TextDecoder();
    this.#beginning = "";
    this.#mark = mark;
  }

  /** Lines so far of other words; one that is too long counts as one. */
  get unknown(): number {
    return this.#unknown;
  }

  /** The last of them, as it came, or its beginning. */
  get lastUnknown(): string {
    return this.#lastUnknown;
  }

  /** The lines that these bytes end, in their order; empty ones say nothing. */
  add(bytes: Uint8Array): NotifyLine[] {
    const [first, ...others] = this.#decoder.decode(bytes, { stream: true }).split("\n");
    this.#append(first);
    return others.flatMap((text) => {
      const line = this.#endLine();
      this.#append(text);
      return line ?? [];
    });
  }

  #append(text: string) {
    this.#beginning = (this.#beginning + text).slice(0, maxLineLength + 1);
  }

  #endLine(): NotifyLine | null {
    const isTooLong = this.#beginning.length > maxLineLength;
    const text = this.#beginning.slice(0, maxLineLength).trim();
    this.#beginning = "";
    if (this.#mark !== null) {
      if (text === this.#mark) this.#mark = null;
      return null;
    }
    const line = isTooLong ? null : parseNotifyLine(text);
    if (line === null && text !== "") {
      this.#unknown++;
      this.#lastUnknown = text;
    }
    return line;
  }
}
