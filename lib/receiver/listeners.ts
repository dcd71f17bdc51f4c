/**
 * The sockets of one port at several addresses: each outlives its errors without the others.
 * `receive()` is called in a loop of our own, because `for await` ends at the first error and many
 * are harmless: Windows reports 10054 after an ack to a closed port and 10040 for a datagram that is
 * too long, and an interface may go away for a moment.
 */
import { sleep, type Time } from "../time.ts";

/** What is used of a `Deno.DatagramConn`. */
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

/** Whom an ack goes to, and the address of the socket that the datagram came in by. */
export interface Peer extends Deno.NetAddr {
  readonly local: string;
}

/** An address and port of the service. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** What the listeners tell their owner; only `datagram` may throw, which counts as a failed receive. */
interface ListenerEvents {
  /** A datagram by the socket at an address; the bytes are valid until this returns. */
  readonly datagram: (bytes: Uint8Array, from: Deno.NetAddr, local: string) => void;
  /** A receive failed; the loop goes on. */
  readonly receiveFailed: (error: unknown) => void;
  /** An address can't be listened on while others can; it is tried again. */
  readonly missing: (place: Place, error: unknown) => void;
  /** A socket is of no use any more and is being opened again. */
  readonly lost: (place: Place, error: unknown) => void;
  /** A missing or lost one is there. */
  readonly opened: (place: Place) => void;
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

const isIpv6 = (address: string) => address.includes(":");

/** Listens until `stop()`. */
export class Listeners {
  readonly #events: ListenerEvents;
  readonly #time: Time;
  readonly #open: OpenSocket;
  #listeners: Listener[] = [];

  /** Opens what can be opened; throws if that is nothing. Port 0: any, the same at each address. */
  constructor(
    addresses: readonly string[],
    port: number,
    events: ListenerEvents,
    time: Time,
    open: OpenSocket,
  ) {
    this.#events = events;
    this.#time = time;
    this.#open = open;
    const failed: [Listener, unknown][] = [];
    let given = port;
    for (const address of addresses) {
      const listener = this.#create(address, given);
      try {
        listener.open();
        given = listener.port;
      } catch (error) {
        failed.push([listener, error]);
      }
      this.#listeners.push(listener);
    }
    if (failed.length === addresses.length) throw failed[0][1];
    for (const [listener, error] of failed) {
      events.missing(listener, error);
      listener.openLater();
    }
  }

  get addresses(): string[] {
    return this.#listeners.map(({ address }) => address);
  }

  get port(): number {
    return this.#listeners[0].port;
  }

  /** Sends by the socket that the peer's datagram came in by, else by one of its family. */
  async send(bytes: Uint8Array, { local, transport, hostname, port }: Peer): Promise<void> {
    const all = this.#listeners;
    const by = all.find(({ address }) => address === local) ??
      all.find(({ address }) => isIpv6(address) === isIpv6(hostname)) ?? all[0];
    await by.send(bytes, { transport, hostname, port });
  }

  /**
   * Moves to other addresses or another port. Sockets that stay are not touched, those that go are
   * closed when the new ones are open, except where both can't be there at once. Rejects, and leaves
   * everything as it was, when one can't be opened.
   */
  async move(addresses: readonly string[], port: number): Promise<void> {
    const before = this.#listeners;
    const staying = before.filter((one) => one.port === port && addresses.includes(one.address));
    const going = before.filter((one) => !staying.includes(one));
    const missing = addresses.filter((address) => !staying.some((one) => one.address === address));
    let coming: Listener[];
    try {
      coming = await this.#openAll(missing, port);
    } catch (error) {
      // A wildcard and a single address exclude each other on one port.
      const mayExclude = going.some((one) => one.port === port);
      if (!(error instanceof Deno.errors.AddrInUse && mayExclude)) throw error;
      await stopAll(going);
      try {
        coming = await this.#openAll(missing, port);
      } catch (problem) {
        this.#listeners = before.map((one) => going.includes(one) ? this.#openAgain(one) : one);
        throw problem;
      }
    }
    this.#listeners = addresses.map((address) =>
      staying.find((one) => one.address === address) ?? coming[missing.indexOf(address)]
    );
    await stopAll(going);
  }

  /** Opens each socket at a single address anew: the address may have been away meanwhile. */
  renew(): void {
    for (const listener of this.#listeners) {
      if (!/^(0\.0\.0\.0|::)$/.test(listener.address)) listener.renew();
    }
  }

  /** Closes every socket; no event comes after it. */
  stop(): void {
    void stopAll(this.#listeners);
  }

  /** Opens a socket at each address, or none. */
  async #openAll(addresses: readonly string[], port: number): Promise<Listener[]> {
    const opened: Listener[] = [];
    try {
      for (const address of addresses) {
        const listener = this.#create(address, port);
        listener.open();
        opened.push(listener);
      }
    } catch (error) {
      await stopAll(opened);
      throw error;
    }
    return opened;
  }

  #openAgain({ address, port }: Place): Listener {
    const listener = this.#create(address, port);
    try {
      listener.open();
    } catch (error) {
      this.#events.lost(listener, error);
      listener.openLater();
    }
    return listener;
  }

  #create(address: string, port: number): Listener {
    return new Listener(address, port, this.#events, this.#time, this.#open);
  }
}

async function stopAll(listeners: readonly Listener[]): Promise<void> {
  await Promise.all(listeners.map((one) => one.stop()));
}

/** A socket at one address that is received from, once it is opened, until `stop()`. */
class Listener implements Place {
  readonly address: string;
  /** As given, 0 for any; once the socket was open, the one it has. */
  port: number;
  readonly #events: ListenerEvents;
  readonly #time: Time;
  readonly #open: OpenSocket;
  readonly #stopped = new AbortController();
  /** Null while the socket is being opened again. */
  #socket: DatagramSocket | null = null;
  /** Ends when the present socket isn't received from any more. */
  #receiving = Promise.resolve();

  constructor(address: string, port: number, events: ListenerEvents, time: Time, open: OpenSocket) {
    this.address = address;
    this.port = port;
    this.#events = events;
    this.#time = time;
    this.#open = open;
  }

  /** Opens the socket, or throws, and starts to receive. */
  open(): void {
    const socket = this.#open(this.address, this.port);
    if (socket.addr.transport === "udp") this.port = socket.addr.port;
    this.#socket = socket;
    this.#receiving = this.#receiveFrom(socket);
  }

  /** Opens the socket as soon as that works. */
  openLater(): void {
    void this.#pause(firstReopenPauseMs).then(() => this.#openAgain());
  }

  /** Opens the socket anew, in place of the present one, if there is one. */
  renew(): void {
    if (this.#socket === null) return;
    this.#close();
    void this.#receiving.then(() => this.#openAgain(true));
  }

  /** Sends a datagram; rejects while the socket is being opened again. */
  async send(bytes: Uint8Array, to: Deno.NetAddr): Promise<void> {
    if (this.#socket === null) throw new Error("The socket is being opened again");
    await this.#socket.send(bytes, to);
  }

  /** Closes the socket; no event comes after it. Resolves when the port is free. */
  stop(): Promise<void> {
    this.#stopped.abort();
    this.#close();
    return this.#receiving;
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
        this.#events.datagram(bytes, from, this.address);
      } catch (error) {
        // A fault of the program itself must not end the loop.
        this.#events.receiveFailed(error);
      }
    }
  }

  /** Opens another socket in place of one of no use. Not awaited: the loop that calls it ends. */
  #reopen(problem: unknown): void {
    this.#events.lost(this, problem);
    this.#close();
    void this.#openAgain();
  }

  /**
   * Opens the socket, and tries again until that works. If `isSilent`, a first try that works is not
   * reported, and one that fails is reported as a loss.
   */
  async #openAgain(isSilent = false): Promise<void> {
    let pauseMs = firstReopenPauseMs;
    let silent = isSilent;
    while (!this.#stopped.signal.aborted) {
      try {
        this.open();
        if (!silent) this.#events.opened(this);
        return;
      } catch (error) {
        if (silent) this.#events.lost(this, error);
        silent = false;
        await this.#pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, maxReopenPauseMs);
      }
    }
  }

  #close(): void {
    const socket = this.#socket;
    this.#socket = null;
    try {
      socket?.close();
    } catch {
      // Closed already.
    }
  }

  #pause(ms: number): Promise<void> {
    return sleep(this.#time.after, ms, this.#stopped.signal);
  }
}
