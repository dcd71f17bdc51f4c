/** Writing to streams that may be closed: keepalived throws output away, a reader may be gone. */
import { printable } from "../text.ts";

/** A stream as the process has it. */
type Stream = "stdout" | "stderr";

const utf8 = new TextEncoder();

/** Writes a text. Returns false if it could not be written whole; never throws. */
export function write(stream: Stream, text: string): boolean {
  const bytes = utf8.encode(text);
  try {
    for (let written = 0; written < bytes.length;) {
      written += Deno[stream].writeSync(bytes.subarray(written));
    }
    return true;
  } catch {
    return false;
  }
}

/** A line on stderr that says which program speaks; a text of several lines becomes one. */
export function say(text: string): void {
  write("stderr", `arpflush: ${printable(text)}\n`);
}
