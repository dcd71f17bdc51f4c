/** UDP in and out, whatever the family: the sockets that a run of the sender uses. */
import type { Target } from "./targets.ts";

/** Where datagrams go: a name or an address, with its zone if it has one. */
export type Recipient = Pick<Target, "hostname" | "address">;

/** Takes what arrives: the bytes (its own copy), and the source's address and port. */
type Receive = (bytes: Uint8Array, address: string, port: number) => void;

/** Open sockets. */
export interface DatagramPort {
  /** Rejects with the system's error; other datagrams are not hindered by it. */
  send(bytes: Uint8Array, to: Recipient, udpPort: number): Promise<void>;
  close(): void;
}

/** Opens sockets that hand on what they receive. */
export type OpenDatagramPort = (receive: Receive) => DatagramPort;

/** More than the largest ack (616 bytes): a datagram that is cut off here is no ack. */
const bufferLength = 2048;
/** The pause after a receive error, so that one that stays doesn't take the processor. */
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

  return {
    async send(bytes, { hostname, address }, port) {
      const to = { transport: "udp", hostname, port } as const;
      try {
        await socketOf(address?.family ?? 4).send(bytes, to);
      } catch (error) {
        if (address !== null || !isWrongFamily(error)) throw error;
        await socketOf(6).send(bytes, to);
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
