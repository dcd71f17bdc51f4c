/** Datagrams to a local socket: what a system logger and systemd listen on. */
import { systemAfter, within } from "./time.ts";

/** A listener that has stopped reading fills its queue; it isn't waited for longer than this. */
const maxWaitMs = 1000;

/**
 * Sends a datagram to the socket at a path (`\0` begins an abstract name). Rejects if nobody listens
 * there, and after a second at the latest. The sending socket has an abstract address: a datagram
 * needs a sender, and this one leaves no file behind.
 */
export async function sendUnixDatagram(bytes: Uint8Array, path: string): Promise<void> {
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
      await sendUnixDatagram(new TextEncoder().encode(state), path);
    } catch (error) {
      failed(error);
    }
  };
}
