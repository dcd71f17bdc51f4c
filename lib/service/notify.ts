/** Tells systemd how the service is: sd_notify(3), without its library. */

/** Sends one state, lines `NAME=value`; never rejects. Without a NOTIFY_SOCKET it does nothing. */
export type Notify = (state: string) => Promise<void>;

/**
 * A notifier for the socket in NOTIFY_SOCKET: a path, or an abstract name behind `@`. `failed` is
 * told when a state can't be sent.
 */
export function createNotify(
  socketName: string | undefined,
  failed: (error: unknown) => void,
): Notify {
  if (socketName === undefined || socketName === "") return () => Promise.resolve();
  const path = socketName.replace(/^@/, "\0");
  return async (state) => {
    try {
      // Bound to an abstract address: a datagram needs a sender, and this one leaves no file.
      const socket = Deno.listenDatagram({
        transport: "unixpacket",
        path: `\0arpflush-${Deno.pid}-${crypto.randomUUID()}`,
      });
      try {
        await socket.send(new TextEncoder().encode(state), { transport: "unixpacket", path });
      } finally {
        socket.close();
      }
    } catch (error) {
      failed(error);
    }
  };
}

/** The state at the start of a reload; systemd wants to know since when. */
export function reloadingState(uptimeSeconds: number): string {
  // The uptime is cut to seconds, and systemd takes no time before its own: rather one too late.
  return `RELOADING=1\nMONOTONIC_USEC=${(uptimeSeconds + 1) * 1_000_000}`;
}
