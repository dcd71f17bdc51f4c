/** The sockets of one port at several addresses: each outlives its errors without the others. */
import type { Time } from "../time.ts";
import { DatagramLoop, type OpenSocket } from "./datagram_loop.ts";

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
  readonly receiveFailed: (error: unknown) => void;
  /** An address can't be listened on while others can; it is tried again. */
  readonly missing: (place: Place, error: unknown) => void;
  /** A socket is of no use any more and is being opened again. */
  readonly lost: (place: Place, error: unknown) => void;
  /** A missing or lost one is there. */
  readonly opened: (place: Place) => void;
}

const isIpv6 = (address: string) => address.includes(":");

/** Listens until `stop()`. */
export class Listeners {
  readonly #events: ListenerEvents;
  readonly #time: Time;
  readonly #open: OpenSocket;
  #loops: DatagramLoop[] = [];

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
    const failed: [DatagramLoop, unknown][] = [];
    let given = port;
    for (const address of addresses) {
      const loop = this.#createLoop(address, given);
      try {
        loop.open();
        given = loop.port;
      } catch (error) {
        failed.push([loop, error]);
      }
      this.#loops.push(loop);
    }
    if (failed.length === addresses.length) throw failed[0][1];
    for (const [loop, error] of failed) {
      events.missing(loop, error);
      loop.openLater();
    }
  }

  get addresses(): string[] {
    return this.#loops.map(({ address }) => address);
  }

  get port(): number {
    return this.#loops[0].port;
  }

  /** Sends by the socket that the peer's datagram came in by, else by one of its family. */
  async send(bytes: Uint8Array, to: Peer): Promise<void> {
    const loop = this.#loops.find(({ address }) => address === to.local) ??
      this.#loops.find(({ address }) => isIpv6(address) === isIpv6(to.hostname)) ?? this.#loops[0];
    const { transport, hostname, port } = to;
    await loop.send(bytes, { transport, hostname, port });
  }

  /**
   * Moves to other addresses or another port. Sockets that stay are not touched, those that come take
   * over from those of their family that go, and all that has been done is undone when one can't be
   * opened: then this rejects.
   */
  async move(addresses: readonly string[], port: number): Promise<void> {
    const before = this.#loops.map((loop) => ({ loop, address: loop.address, port: loop.port }));
    const going = new Set(before.filter(({ address }) => !addresses.includes(address)));
    const targets = addresses.map((address) => {
      const one = before.find((staying) => staying.address === address) ??
        [...going].find((other) => isIpv6(other.address) === isIpv6(address));
      if (one !== undefined) going.delete(one);
      return { address, loop: one?.loop ?? this.#createLoop(address, port), isNew: !one };
    });
    // A wildcard excludes single addresses on its port: those that go must be gone first.
    await Promise.all([...going].map(({ loop }) => loop.stop()));
    try {
      for (const { address, loop, isNew } of targets) {
        if (isNew) loop.open();
        else if (loop.address !== address || loop.port !== port) await loop.move(address, port);
      }
      this.#loops = targets.map(({ loop }) => loop);
    } catch (error) {
      const stays = before.map((one) =>
        !going.has(one) && one.loop.address === one.address && one.loop.port === one.port
      );
      const moved = before.filter((_, i) => !stays[i]).map(({ loop }) => loop);
      const made = targets.filter(({ isNew }) => isNew).map(({ loop }) => loop);
      await Promise.all([...made, ...moved].map((loop) => loop.stop()));
      this.#loops = before.map((one, i) => stays[i] ? one.loop : this.#openAgain(one));
      throw error;
    }
  }

  /** Opens each socket at a single address anew: the address may have been away meanwhile. */
  renew(): void {
    for (const loop of this.#loops) {
      if (!/^(0\.0\.0\.0|::)$/.test(loop.address)) loop.renew();
    }
  }

  /** Closes every socket; no event comes after it. */
  stop(): void {
    for (const loop of this.#loops) void loop.stop();
  }

  #openAgain({ address, port }: Place): DatagramLoop {
    const loop = this.#createLoop(address, port);
    try {
      loop.open();
    } catch (error) {
      this.#events.lost(loop, error);
      loop.openLater();
    }
    return loop;
  }

  #createLoop(address: string, port: number): DatagramLoop {
    const { datagram, receiveFailed, lost, opened } = this.#events;
    const loop: DatagramLoop = new DatagramLoop(
      address,
      port,
      {
        datagram: (bytes, from) => datagram(bytes, from, loop.address),
        receiveFailed,
        lost: (error) => lost(loop, error),
        opened: () => opened(loop),
      },
      this.#time,
      this.#open,
    );
    return loop;
  }
}
