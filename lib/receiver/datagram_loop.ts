/**
 * A UDP socket that outlives its errors. The loop calls `receive()` itself, because `for await` ends
 * at the first error and many are harmless: Windows reports 10054 after an ack to a closed port and
 * 10040 for a datagram that is too long, and an interface may go away for a moment.
 */
import { sleep, type Time } from "../time.ts";

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
interface DatagramEvents {
  /** A datagram; the bytes are valid until this returns. */
  readonly datagram: (bytes: Uint8Array, from: Deno.NetAddr) => void;
  /** A receive failed; the loop goes on. */
  readonly receiveFailed: (error: unknown) => void;
  /** The socket is of no use any more and is being opened again. */
  readonly lost: (error: unknown) => void;
  /** A lost one is there again, or one that `openLater` was to open. */
  readonly opened: () => void;
}

/** The longest UDP datagram fits, so none is ever cut. */
const bufferLength = 65_536;
/** Errors in a row that are retried at once: one burst of acks to closed ports leaves that many. */
const maxFreeErrors = 16;
/** The socket is reopened after 26 errors in a row: the last ten come after 1, 2, 4 … 256 ms. */
const maxErrors = maxFreeErrors + 10;
/** Between two tries to open the socket again: 100 ms, then twice as long each time up to 5 s. */
const firstReopenPauseMs = 100;
const maxReopenPauseMs = 5_000;

/** A socket at an address and port (0: any) that is received from, once it is opened, until `stop()`. */
export class DatagramLoop {
  readonly #events: DatagramEvents;
  readonly #time: Time;
  readonly #open: OpenSocket;
  readonly #stopped = new AbortController();
  /** Null while the socket is being opened again. */
  #socket: DatagramSocket | null = null;
  #address: string;
  #port: number;
  /** Ends when the present socket isn't received from any more. */
  #receiving = Promise.resolve();

  constructor(
    address: string,
    port: number,
    events: DatagramEvents,
    time: Time,
    open: OpenSocket,
  ) {
    this.#events = events;
    this.#time = time;
    this.#open = open;
    this.#address = address;
    this.#port = port;
  }

  /** Opens the socket, or throws, and starts to receive. */
  open(): void {
    const socket = this.#open(this.#address, this.#port);
    this.#port = portOf(socket);
    this.#use(socket);
  }

  /** Opens the socket as soon as that works. */
  openLater(): void {
    void this.#openAgain(firstReopenPauseMs);
  }

  /** Opens the socket anew, in place of the present one, if there is one. */
  renew(): void {
    const old = this.#socket;
    if (old === null) return;
    this.#socket = null;
    closeQuietly(old);
    void this.#receiving.then(() => this.#openAgain(0, true));
  }

  get address(): string {
    return this.#address;
  }

  get port(): number {
    return this.#port;
  }

  /** Sends a datagram; rejects while the socket is being opened again. */
  async send(bytes: Uint8Array, to: Deno.NetAddr): Promise<void> {
    if (this.#socket === null) throw new Error("The socket is being opened again");
    await this.#socket.send(bytes, to);
  }

  /**
   * Moves to another address or port: the new socket is opened before the old one is closed, except
   * where both can't be there at once. Rejects, and keeps the old one, when the new can't be opened.
   */
  async move(address: string, port: number): Promise<void> {
    const old = this.#socket;
    let socket: DatagramSocket;
    try {
      socket = this.#open(address, port);
    } catch (error) {
      // A wildcard and a single address exclude each other on one port.
      const excluded = error instanceof Deno.errors.AddrInUse && port === this.#port;
      if (old === null || !excluded) throw error;
      socket = await this.#openInsteadOf(old, address, port);
    }
    this.#address = address;
    this.#port = portOf(socket);
    this.#use(socket);
    closeQuietly(old);
  }

  /** Closes the socket; no event comes after it. Resolves when the port is free. */
  stop(): Promise<void> {
    const old = this.#socket;
    this.#socket = null;
    this.#stopped.abort();
    closeQuietly(old);
    return this.#receiving;
  }

  #use(socket: DatagramSocket): void {
    if (this.#stopped.signal.aborted) return closeQuietly(socket);
    this.#socket = socket;
    this.#receiving = this.#receiveFrom(socket);
  }

  async #receiveFrom(socket: DatagramSocket): Promise<void> {
    const buffer = new Uint8Array(bufferLength);
    let errors = 0;
    while (this.#socket === socket) {
      let received: [Uint8Array, Deno.Addr];
      try {
        received = await socket.receive(buffer);
      } catch (error) {
        if (this.#socket !== socket) return;
        errors++;
        if (errors >= maxErrors || error instanceof Deno.errors.BadResource) {
          return this.#reopen(error);
        }
        this.#events.receiveFailed(error);
        if (errors > maxFreeErrors) await this.#pause(2 ** (errors - maxFreeErrors - 1));
        continue;
      }
      errors = 0;
      const [bytes, from] = received;
      if (this.#socket !== socket || from.transport !== "udp") continue;
      try {
        this.#events.datagram(bytes, from);
      } catch (error) {
        // A fault of the program itself must not end the loop.
        this.#events.receiveFailed(error);
      }
    }
  }

  /** Not awaited: the receive loop that calls it ends. */
  #reopen(problem: unknown): void {
    this.#events.lost(problem);
    closeQuietly(this.#socket);
    this.#socket = null;
    void this.#openAgain(0);
  }

  /**
   * Opens the socket after a pause, and again until that works. If `isSilent`, a first try that
   * works is not reported, and one that fails is reported as a loss.
   */
  async #openAgain(firstPauseMs: number, isSilent = false): Promise<void> {
    if (firstPauseMs > 0) await this.#pause(firstPauseMs);
    let pauseMs = firstReopenPauseMs;
    let silent = isSilent;
    while (!this.#stopped.signal.aborted) {
      try {
        // A move may have opened one meanwhile.
        if (this.#socket === null) this.#use(this.#open(this.#address, this.#port));
        if (!silent) this.#events.opened();
        return;
      } catch (error) {
        if (silent) this.#events.lost(error);
        silent = false;
        await this.#pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, maxReopenPauseMs);
      }
    }
  }

  /** Closes a socket before it opens the other; opens the first again when that fails. */
  async #openInsteadOf(
    old: DatagramSocket,
    address: string,
    port: number,
  ): Promise<DatagramSocket> {
    this.#socket = null;
    closeQuietly(old);
    // The port is free only when the receive that was under way has ended.
    await this.#receiving;
    try {
      return this.#open(address, port);
    } catch (error) {
      if (!this.#stopped.signal.aborted) {
        try {
          this.#use(this.#open(this.#address, this.#port));
        } catch (problem) {
          this.#reopen(problem);
        }
      }
      throw error;
    }
  }

  #pause(ms: number): Promise<void> {
    return sleep(this.#time.after, ms, this.#stopped.signal);
  }
}

function portOf({ addr }: DatagramSocket): number {
  return addr.transport === "udp" ? addr.port : 0;
}

function closeQuietly(socket: DatagramSocket | null): void {
  try {
    socket?.close();
  } catch {
    // Closed already.
  }
}
