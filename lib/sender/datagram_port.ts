/** UDP in and out, whatever the family: the sockets that a run of the sender uses. */
import type { Target } from "./targets.ts";

/** Where datagrams go: a name or an address, with its zone if it has one. */
export type Recipient = Pick<Target, "hostname" | "address" | "source">;

/** Takes what arrives: the bytes (its own copy), and the source's address and port. */
export type Receive = (bytes: Uint8Array, address: string, port: number) => void;

/** Open sockets. */
export interface DatagramPort {
  /**
   * Sends to an address, or to each address of a name. Rejects with the system's error; other
   * datagrams are not hindered by it.
   */
  send(bytes: Uint8Array, to: Recipient, udpPort: number): Promise<void>;
  /** Own ports in use outside the range that was asked for: a firewall's rule may not know them. */
  readonly strayPorts: ReadonlySet<number>;
  close(): void;
}

/** Opens sockets that hand on what they receive, and note the addresses that names are found at. */
export type OpenDatagramPort = (receive: Receive, found: Set<string>) => DatagramPort;

/** Own ports to choose from. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Where acks go by default, so that a stateful firewall can be told: docs/protocol.md. */
export const defaultSourcePorts: PortRange = { first: 27_736, last: 27_799 };

/** More than the largest ack (672 bytes): a datagram that is cut off here is no ack. */
const bufferLength = 2048;
/** The pause after a receive error, so that one that stays doesn't take the processor. */
const pauseMs = 10;

/**
 * Opens the machine's sockets, one for each family and own address when it is first needed, on the
 * first free port of a range, else on any. Receive errors (a host refuses, an interface goes) are
 * survived.
 */
export function datagramPortOpener(range: PortRange): OpenDatagramPort {
  return (receive, found) => new Sockets(range, receive, found);
}

class Sockets implements DatagramPort {
  readonly #sockets = new Map<string, Deno.DatagramConn>();
  readonly #addresses = new Map<string, Promise<string[]>>();
  readonly strayPorts = new Set<number>();
  #closed = false;

  constructor(
    readonly range: PortRange,
    readonly receive: Receive,
    readonly found: Set<string>,
  ) {}

  async send(bytes: Uint8Array, { hostname, address, source }: Recipient, port: number) {
    if (address !== null) {
      const own = source ?? (address.family === 4 ? "0.0.0.0" : "::");
      await this.#socket(own).send(bytes, { transport: "udp", hostname, port });
      return;
    }
    const addresses = await this.#addressesOf(hostname);
    if (this.#closed) throw new Error("the run was over before the name was found");
    await Promise.all(addresses.map((found) =>
      this.#socket(found.includes(":") ? "::" : "0.0.0.0")
        .send(bytes, { transport: "udp", hostname: found, port })
    ));
  }

  close() {
    this.#closed = true;
    for (const socket of this.#sockets.values()) socket.close();
  }

  #socket(hostname: string): Deno.DatagramConn {
    const open = this.#sockets.get(hostname);
    if (open !== undefined) return open;
    const socket = this.#bind(hostname);
    this.#sockets.set(hostname, socket);
    this.#listen(socket);
    return socket;
  }

  #bind(hostname: string): Deno.DatagramConn {
    for (let port = this.range.first; port <= this.range.last; port++) {
      try {
        return Deno.listenDatagram({ transport: "udp", hostname, port });
      } catch (error) {
        if (!isTaken(error)) throw error;
      }
    }
    const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    if (socket.addr.transport === "udp") this.strayPorts.add(socket.addr.port);
    return socket;
  }

  async #listen(socket: Deno.DatagramConn): Promise<void> {
    const buffer = new Uint8Array(bufferLength);
    while (!this.#closed) {
      try {
        const [bytes, source] = await socket.receive(buffer);
        if (source.transport === "udp") this.receive(bytes.slice(), source.hostname, source.port);
      } catch {
        if (!this.#closed) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /** All addresses of a name, by the system's resolver, which knows /etc/hosts too; asked once. */
  #addressesOf(name: string): Promise<string[]> {
    const known = this.#addresses.get(name);
    if (known !== undefined) return known;
    const asked = (async () => {
      // The only way to all of a name's addresses; it is loaded where a name is given, and then only.
      const { lookup } = await import("node:dns/promises");
      const addresses = (await lookup(name, { all: true })).map(({ address }) => address);
      for (const address of addresses) this.found.add(address);
      return [...new Set(addresses)];
    })();
    this.#addresses.set(name, asked);
    asked.catch(() => this.#addresses.delete(name));
    return asked;
  }
}

/** A port that another process has: its own account's, or on Windows (WSAEACCES) another one's. */
function isTaken(error: unknown): boolean {
  return error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.PermissionDenied;
}
