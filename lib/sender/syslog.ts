/**
 * One line to the system log: a datagram `<priority>tag[pid]: text` (RFC 3164 as local loggers take
 * it).
 */
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
function syslogDatagram(severity: keyof typeof severities, text: string, pid: number): Uint8Array {
  const line = `<${facility | severities[severity]}>arpflush[${pid}]: ${printable(text)}`;
  const bytes = new Uint8Array(maxBytes);
  const { written } = new TextEncoder().encodeInto(line, bytes);
  return bytes.subarray(0, written);
}

/** Logs a line; false if nobody took it. Never throws: a missing log hinders nothing. */
export async function logToSystem(
  severity: keyof typeof severities,
  text: string,
  paths: readonly string[] = logPaths,
): Promise<boolean> {
  try {
    await sendUnixDatagram(syslogDatagram(severity, text, Deno.pid), paths);
    return true;
  } catch {
    return false;
  }
}
