/**
 * One line to the system log: `<priority>tag[pid]: text` (RFC 3164 as local loggers take it), as a
 * datagram, or on a stream where a logger listens for streams, as syslog(3) does.
 */
import { systemAfter, within } from "../time.ts";
import { sendUnixDatagram } from "../unix_datagram.ts";
import { printable } from "../wire/datagram.ts";

/** Facility "daemon" in bits 3 and up (RFC 3164, section 4.1.1). */
const facility = 3 << 3;
const severities = { error: 3, warning: 4, info: 6 } as const;

/** What every logger takes (RFC 3164, section 4.1). */
const maxBytes = 1024;

/**
 * Where a logger may listen; the first that does gets the line. systemd's own path comes first,
 * because Deno refuses to open paths in /dev; for another logger at /dev/log an administrator links
 * the last one to it.
 */
const logPaths: readonly string[] = [
  "/run/systemd/journal/dev-log",
  "/dev/log",
  "/etc/arpflush/log",
];

/** The bytes of a log line: without control characters, cut at a character if it is too long. */
function syslogLine(severity: keyof typeof severities, text: string, pid: number): Uint8Array {
  const line = `<${facility | severities[severity]}>arpflush[${pid}]: ${printable(text)}`;
  const bytes = new Uint8Array(maxBytes);
  const { written } = new TextEncoder().encodeInto(line, bytes);
  return bytes.subarray(0, written);
}

/** EPROTOTYPE: the socket at the path is a stream socket. */
const isStream = (error: unknown) => error instanceof Error && /os error 91\b/.test(error.message);

/** A logger that doesn't take a stream's bytes isn't waited for longer than this. */
const maxWaitMs = 1000;

/** Lines on a stream end with a zero byte, as those of syslog(3) do. */
async function sendOnStream(bytes: Uint8Array, path: string): Promise<void> {
  const connection = await Deno.connect({ transport: "unix", path });
  try {
    const line = Uint8Array.of(...bytes, 0);
    const written = (async () => {
      for (let at = 0; at < line.length;) at += await connection.write(line.subarray(at));
      return true;
    })();
    if (!await within(systemAfter, maxWaitMs, written, false)) throw new Error("nobody reads it");
  } finally {
    connection.close();
  }
}

/** Logs a line; false if nobody took it. Never throws: a missing log hinders nothing. */
export async function logToSystem(
  severity: keyof typeof severities,
  text: string,
  paths: readonly string[] = logPaths,
): Promise<boolean> {
  const bytes = syslogLine(severity, text, Deno.pid);
  for (const path of paths) {
    try {
      await sendUnixDatagram(bytes, path);
      return true;
    } catch (error) {
      if (!isStream(error)) continue;
    }
    try {
      await sendOnStream(bytes, path);
      return true;
    } catch {
      // The next path, then.
    }
  }
  return false;
}
