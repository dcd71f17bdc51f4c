/**
 * How a script that keepalived starts finds out that a follower does its work: it connects to a socket
 * of the follower's, and is answered.
 */
import { sleep, systemAfter, within } from "../time.ts";

/** In a folder of the follower's own. */
const followSocket = "/run/arpflush-router/follow.sock";

const answer = new TextEncoder().encode("following\n");
/** A follower that lives answers within some ms; a script must not wait for one that hangs. */
const answerMs = 250;
const acceptPauseMs = 100;

/** Whether a follower answers. Never rejects. */
export async function isFollowed(): Promise<boolean> {
  try {
    const connection = await Deno.connect({ transport: "unix", path: followSocket });
    try {
      const buffer = new Uint8Array(answer.length);
      const read = connection.read(buffer).then((count) => count === answer.length, () => false);
      return await within(systemAfter, answerMs, read, false);
    } finally {
      connection.close();
    }
  } catch {
    return false;
  }
}

/**
 * Answers scripts that ask, while `isFollowing` holds, and calls `asked` for each. A socket that an
 * earlier follower left behind is replaced: the caller holds the FIFO's lock. Throws the system's
 * error.
 */
export function openPresence(
  isFollowing: () => boolean,
  asked: () => void,
): { close(): void } {
  try {
    if (Deno.lstatSync(followSocket).isSocket === true) Deno.removeSync(followSocket);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const listener = Deno.listen({ transport: "unix", path: followSocket });
  // Scripts are other users; connecting needs the right to write.
  Deno.chmodSync(followSocket, 0o666);
  let isClosed = false;
  (async () => {
    while (!isClosed) {
      try {
        const connection = await listener.accept();
        if (isFollowing()) await connection.write(answer).catch(() => 0);
        connection.close();
        asked();
      } catch {
        // Out of descriptors, perhaps: it passes.
        if (!isClosed) await sleep(systemAfter, acceptPauseMs);
      }
    }
  })();
  return {
    close() {
      isClosed = true;
      listener.close();
      try {
        Deno.removeSync(followSocket);
      } catch {
        // The folder may be gone already.
      }
    },
  };
}
