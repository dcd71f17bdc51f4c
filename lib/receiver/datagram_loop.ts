/**
 * A UDP socket that survives. The loop is on `receive()`: `for await` would end at the first error,
 * and there are many: 10054 after an ack to a closed port, 10040, an interface that goes away. It
 * pauses only when errors repeat, and opens the socket again when they don't stop.
 */
import type { After } from "../time.ts";

/** What the loop uses of a `Deno.DatagramConn`. */
export interface DatagramSocket {
  readonly addr: Deno.Addr;
  receive(buffer?: Uint8Array): Promise<[Uint8Array, Deno.Addr]>;
  send(bytes: Uint8Array, to: Deno.Addr): Promise<number>;
  close(): void;
}

/** Opens a socket at an address and port (0: any), or throws. */
export type OpenSocket = (address: string, port: number) => DatagramSocket;

/** Opens a UDP socket of the system. */
export const openUdpSocket: OpenSocket = (hostname, port) =>
  Deno.listenDatagram({ transport: "udp", hostname, port });

/** What the loop tells its owner; only `datagram` may throw, which counts as a failed receive. */
export interface DatagramEvents {
  /** A datagram; the bytes are valid until this returns. */
  readonly datagram: (bytes: Uint8Array, from: Deno.NetAddr) => void;
  /** A receive failed; the loop goes on. */
  readonly receiveFailed: (error: unknown) => void;
  /** The socket is of no use any more and is being opened again. */
  readonly lost: (error: unknown) => void;
  readonly reopened: () => void;
}

/** A running loop. */
export interface DatagramLoop {
  readonly address: string;
  readonly port: number;
  send(bytes: Uint8Array, to: Deno.NetAddr): Promise<void>;
  /**
   * Moves to another address or port: the new socket is opened before the old one is closed, except
   * where both can't be there at once. Rejects, and keeps the old one, when the new can't be opened.
   */
  move(address: string, port: number): Promise<void>;
  /** Closes the socket; no event comes after it. */
  stop(): void;
}

/** No datagram is longer, so none is ever cut. */
const bufferLength = 65_536;
/** Errors in a row that cost no pause: what one burst of acks to closed ports may leave behind. */
const freeErrors = 16;
/** Errors in a row, pauses from 1 ms to 512 ms between the last ten, after which it is reopened. */
const errorsMost = freeErrors + 10;
const reopenPauseMs = { first: 100, most: 5_000 } as const;

/** Opens the socket, or throws, and starts the loop. */
export function startDatagramLoop(
  address: string,
  port: number,
  events: DatagramEvents,
  open: OpenSocket,
  after: After,
): DatagramLoop {
  let current: DatagramSocket | null = open(address, port);
  let place = { address, port: portOf(current) };
  let wake = () => {};
  let stopped = false;

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const cancel = after(ms, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });

  async function run(socket: DatagramSocket): Promise<void> {
    const buffer = new Uint8Array(bufferLength);
    let errors = 0;
    while (current === socket) {
      let received: [Uint8Array, Deno.Addr];
      try {
        received = await socket.receive(buffer);
      } catch (error) {
        if (current !== socket) return;
        errors++;
        if (errors >= errorsMost || error instanceof Deno.errors.BadResource) {
          return reopen(error);
        }
        events.receiveFailed(error);
        if (errors > freeErrors) await pause(2 ** (errors - freeErrors - 1));
        continue;
      }
      errors = 0;
      const [bytes, from] = received;
      if (current !== socket || !isNetAddr(from)) continue;
      try {
        events.datagram(bytes, from);
      } catch (error) {
        // A fault of the program's own: no datagram may end the loop by it.
        events.receiveFailed(error);
      }
    }
  }

  async function reopen(problem: unknown): Promise<void> {
    events.lost(problem);
    closeQuietly(current);
    current = null;
    for (
      let ms: number = reopenPauseMs.first;
      !stopped;
      ms = Math.min(2 * ms, reopenPauseMs.most)
    ) {
      try {
        // A move may have opened one meanwhile.
        if (current === null) use(open(place.address, place.port));
        return events.reopened();
      } catch {
        await pause(ms);
      }
    }
  }

  /** Closes a socket before it opens the other; opens it again when that fails. */
  async function openInsteadOf(
    old: DatagramSocket,
    address: string,
    port: number,
  ): Promise<DatagramSocket> {
    current = null;
    closeQuietly(old);
    // The port is free only when the receive that was under way has ended.
    await running;
    try {
      return open(address, port);
    } catch (error) {
      if (!stopped) {
        try {
          use(open(place.address, place.port));
        } catch {
          reopen(error);
        }
      }
      throw error;
    }
  }

  function use(socket: DatagramSocket): void {
    if (stopped) return closeQuietly(socket);
    current = socket;
    running = run(socket);
  }
  let running = run(current);

  return {
    get address() {
      return place.address;
    },
    get port() {
      return place.port;
    },
    async send(bytes, to) {
      if (current === null) throw new Error("The socket is being opened again");
      await current.send(bytes, to);
    },
    async move(address, port) {
      const old = current;
      let socket: DatagramSocket;
      try {
        socket = open(address, port);
      } catch (error) {
        // A wildcard and a single address exclude each other on one port.
        const excluded = error instanceof Deno.errors.AddrInUse && port === place.port;
        if (old === null || !excluded) throw error;
        socket = await openInsteadOf(old, address, port);
      }
      place = { address, port: portOf(socket) };
      use(socket);
      closeQuietly(old);
    },
    stop() {
      stopped = true;
      const old = current;
      current = null;
      closeQuietly(old);
      wake();
    },
  };
}

function isNetAddr(address: Deno.Addr): address is Deno.NetAddr {
  return address.transport === "udp";
}

function portOf(socket: DatagramSocket): number {
  return isNetAddr(socket.addr) ? socket.addr.port : 0;
}

function closeQuietly(socket: DatagramSocket | null): void {
  try {
    socket?.close();
  } catch {
    // Closed already.
  }
}
