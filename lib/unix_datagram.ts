/** Datagrams to local sockets: a line to the system log, a state to systemd. */
import { printable } from "./text.ts";
import { systemAfter, within } from "./time.ts";

/** A listener that has stopped reading fills its queue; none is waited for longer than this. */
const maxWaitMs = 1000;

/**
 * Sends a datagram to the socket at a path (`\0` begins an abstract name). Rejects if nobody listens
 * there, and after a second at the latest. The sending socket has an abstract address: a datagram
 * needs a sender, and this one leaves no file behind.
 */
async function sendDatagram(bytes: Uint8Array, path: string): Promise<void> {
  const own = `\0arpflush-${crypto.randomUUID()}`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: own });
  try {
    const sent = socket.send(bytes, { transport: "unixpacket", path }).then(() => true);
    if (!await within(systemAfter, maxWaitMs, sent, false)) throw new Error("nobody reads it");
  } finally {
    socket.close();
  }
}

/**
 * Tells systemd how a program is, as sd_notify(3) does: what it returns sends one state, lines
 * `NAME=value`, and never rejects. The socket is that of NOTIFY_SOCKET, a path or an abstract name
 * after `@`; without one nothing is sent. `failed` is called when a state can't be sent.
 */
export function createSdNotify(
  socketName: string | undefined,
  failed: (error: unknown) => void,
): (state: string) => Promise<void> {
  if (socketName === undefined || socketName === "") return () => Promise.resolve();
  const path = socketName.replace(/^@/, "\0");
  return async (state) => {
    try {
      await sendDatagram(new TextEncoder().encode(state), path);
    } catch (error) {
      failed(error);
    }
  };
}

/** Facility "daemon" in bits 3 and up (RFC 3164, section 4.1.1). */
const facility = 3 << 3;
const severities = { error: 3, warning: 4, info: 6 } as const;

/** What every logger takes (RFC 3164, section 4.1). */
const maxLineBytes = 1024;

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
  const bytes = new Uint8Array(maxLineBytes);
  const { written } = new TextEncoder().encodeInto(line, bytes);
  return bytes.subarray(0, written);
}

/** EPROTOTYPE: the socket at the path is a stream socket. */
const isStream = (error: unknown) => error instanceof Error && /os error 91\b/.test(error.message);

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

/**
 * Logs a line to the system log: `<priority>tag[pid]: text` (RFC 3164 as local loggers take it), as a
 * datagram, or on a stream where a logger listens for streams, as syslog(3) does. False if nobody took
 * it. Never throws: a missing log hinders nothing.
 */
export async function logToSystem(
  severity: keyof typeof severities,
  text: string,
  paths: readonly string[] = logPaths,
): Promise<boolean> {
  const bytes = syslogLine(severity, text, Deno.pid);
  for (const path of paths) {
    try {
      await sendDatagram(bytes, path);
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
