/**
 * The lines that keepalived writes into `vrrp_notify_fifo`, as 2.2 writes them:
 * `INSTANCE "lan" MASTER 100` and `GROUP "both" BACKUP 0`. Pure. What comes is untrusted: lines may be
 * torn, of other words, of any length, or no text at all.
 */

const states = ["MASTER", "BACKUP", "FAULT", "STOP", "MASTER_RX_LOWER_PRI"] as const;

/** A line that means something here. */
export interface NotifyLine {
  readonly type: "INSTANCE" | "GROUP";
  readonly name: string;
  readonly state: typeof states[number];
  /** 0 for a group; null in a line without one. */
  readonly priority: number | null;
}

/** keepalived's names and words come to far less; a longer line is garbage. */
const maxLineBytes = 1_024;

/** What one line says; null for one of other words. */
function parseNotifyLine(text: string): NotifyLine | null {
  const match = /^(INSTANCE|GROUP) +(?:"(.*)"|(\S+)) +([A-Z_]+)(?: +(\d{1,5}))?$/.exec(text);
  const state = states.find((one) => one === match?.[4]);
  if (match === null || state === undefined) return null;
  const [, type, quoted, bare, , priority] = match;
  return {
    type: type === "GROUP" ? "GROUP" : "INSTANCE",
    name: quoted ?? bare,
    state,
    priority: priority === undefined ? null : Number(priority),
  };
}

/** Takes a stream of bytes apart. It keeps no more than a line's beginning. */
export class NotifyLines {
  readonly #decoder = new TextDecoder();
  #beginning = new Uint8Array(0);
  /** The line that comes is too long: its end is waited for. */
  #skips = false;
  #unknown = 0;
  #lastUnknown = "";

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
    const lines: NotifyLine[] = [];
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      this.#append(bytes.subarray(from, end));
      const line = this.#endLine();
      if (line !== null) lines.push(line);
      from = end + 1;
    }
    this.#append(bytes.subarray(from));
    return lines;
  }

  #append(bytes: Uint8Array) {
    if (this.#skips) return;
    const room = maxLineBytes - this.#beginning.length;
    this.#skips = bytes.length > room;
    const joined = new Uint8Array(this.#beginning.length + Math.min(bytes.length, room));
    joined.set(this.#beginning);
    joined.set(bytes.subarray(0, room), this.#beginning.length);
    this.#beginning = joined;
  }

  #endLine(): NotifyLine | null {
    const text = this.#decoder.decode(this.#beginning).trim();
    const line = this.#skips ? null : parseNotifyLine(text);
    if (line === null && text !== "") {
      this.#unknown++;
      this.#lastUnknown = text;
    }
    this.#beginning = new Uint8Array(0);
    this.#skips = false;
    return line;
  }
}
