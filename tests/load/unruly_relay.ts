/** A relay between sender and service that delays, reorders and doubles datagrams, both ways. */

/** What it does to each datagram. */
export interface Unruliness {
  /** Delivered after a time of 0 to this, each on its own: so they overtake each other. */
  readonly delayMostMs: number;
  /** How often each is delivered. */
  readonly deliveries: number;
}

/** A relay that runs. */
export interface Relay extends Disposable {
  /** Where it listens. */
  readonly port: number;
  /** Datagrams delivered to the service so far. */
  readonly delivered: number;
}

/** Starts a relay on loopback to a service; uniform `random` in [0, 1). */
export function startRelay(
  service: Deno.NetAddr,
  { delayMostMs, deliveries }: Unruliness,
  random: () => number = Math.random,
): Relay {
  const open = () => Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const [front, back] = [open(), open()];
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let asker: Deno.NetAddr | null = null;
  let delivered = 0;
  let closed = false;

  function deliver(socket: Deno.DatagramConn, bytes: Uint8Array, to: Deno.NetAddr): void {
    for (let i = 0; i < deliveries; i++) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        if (to === service) delivered++;
        socket.send(bytes, to).catch(() => {});
      }, random() * delayMostMs);
      timers.add(timer);
    }
  }
  async function pass(socket: Deno.DatagramConn, on: (bytes: Uint8Array, from: Deno.Addr) => void) {
    while (!closed) {
      try {
        const [bytes, from] = await socket.receive();
        on(bytes, from);
      } catch {
        // Closed, or somebody refused.
      }
    }
  }
  pass(front, (bytes, from) => {
    if (from.transport === "udp") asker = from;
    deliver(back, bytes, service);
  });
  pass(back, (bytes) => {
    if (asker !== null) deliver(front, bytes, asker);
  });

  return {
    port: front.addr.transport === "udp" ? front.addr.port : 0,
    get delivered() {
      return delivered;
    },
    [Symbol.dispose]() {
      closed = true;
      timers.forEach(clearTimeout);
      front.close();
      back.close();
    },
  };
}
