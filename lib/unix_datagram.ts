/** Datagrams to a local socket: what a system logger and systemd listen on. */
import { systemAfter, within } from "./time.ts";

/** A listener that has stopped reading fills its queue; it isn't waited for longer than this. */
const maxWaitMs = 1000;

/**
 * Sends a datagram to the first path that somebody listens on (`\0` begins an abstract name).
 * Rejects with the last path's error if there is none, and after a second at the latest. The sending
 * socket has an abstract address: a datagram needs a sender, and this one leaves no file behind.
 */
export async function sendUnixDatagram(bytes: Uint8Array, paths: readonly string[]): Promise<void> {
  const path = `\0arpflush-${crypto.randomUUID()}`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  try {
    const sent = sendToFirst(socket, bytes, paths).then(() => true);
    if (!await within(systemAfter, maxWaitMs, sent, false)) throw new Error("nobody reads it");
  } finally {
    socket.close();
  }
}

async function sendToFirst(
  socket: Deno.DatagramConn,
  bytes: Uint8Array,
  paths: readonly string[],
): Promise<void> {
  let failure: unknown;
  for (const path of paths) {
    try {
      await socket.send(bytes, { transport: "unixpacket", path });
      return;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
