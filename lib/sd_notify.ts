/** Tells systemd how a program is. */
import { sendUnixDatagram } from "./unix_datagram.ts";

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
