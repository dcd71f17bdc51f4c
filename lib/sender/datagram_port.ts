/** UDP in and out, whatever the family: the sockets that a run of the sender uses. */

/** Where a datagram goes or came from. `hostname` is a name or an address, with a zone if need be. */
export interface Destination {
  readonly hostname: string;
  /** Null for a name, which the system's resolver looks up at each datagram. */
  readonly family: 4 | 6 | null;
  readonly port: number;
}

/** Takes what arrives: the bytes (its own copy), and the source's address and port. */
export type Receive = (bytes: Uint8Array, address: string, port: number) => void;

/** Open sockets. */
export interface DatagramPort {
  /** Rejects with the system's error; other datagrams are not hindered by it. */
  send(bytes: Uint8Array, to: Destination): Promise<void>;
  close(): void;
}

/** Opens sockets that hand on what they receive. */
export type OpenDatagramPort = (receive: Receive) => DatagramPort;

/** More than the largest ack (616 bytes): what is cut off here was none. */
const bufferLength = 2048;
/** A pause after a receive error, so that one that stays doesn't take the processor. */
const pauseMs = 10;

/**
 * Opens the machine's sockets, each family's when it is first needed, on a port that the system
 * chooses. Receive errors (a host refuses, an interface goes) are survived. A name goes through the
 * IPv4 socket unless the resolver finds an IPv6 address.
 */
export const openDatagramPort: OpenDatagramPort = (receive) => {
  const sockets = new Map<4 | 6, Deno.DatagramConn>();
  let closed = false;

  async function listen(socket: Deno.DatagramConn): Promise<void> {
    const buffer = new Uint8Array(bufferLength);
    while (!closed) {
      try {
        const [bytes, source] = await socket.receive(buffer);
        if (source.transport === "udp") receive(bytes.slice(), source.hostname, source.port);
      } catch {
        if (!closed) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  function socketOf(family: 4 | 6): Deno.DatagramConn {
    const open = sockets.get(family);
    if (open !== undefined) return open;
    const hostname = family === 4 ? "0.0.0.0" : "::";
    const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    sockets.set(family, socket);
    listen(socket);
    return socket;
  }

  async function sendThrough(family: 4 | 6, bytes: Uint8Array, to: Destination): Promise<void> {
    await socketOf(family).send(bytes, {
      transport: "udp",
      hostname: to.hostname,
      port: to.port,
    });
  }

  return {
    async send(bytes, to) {
      if (to.family !== null) return await sendThrough(to.family, bytes, to);
      try {
        await sendThrough(4, bytes, to);
      } catch (error) {
        if (!isWrongFamily(error)) throw error;
        await sendThrough(6, bytes, to);
      }
    },
    close() {
      closed = true;
      for (const socket of sockets.values()) socket.close();
    },
  };
};

/** EAFNOSUPPORT, in Windows' numbers WSAEAFNOSUPPORT: the name has an address of the other family. */
function isWrongFamily(error: unknown): boolean {
  return error instanceof Error && /\(os error (97|47|10047)\)/.test(error.message);
}
