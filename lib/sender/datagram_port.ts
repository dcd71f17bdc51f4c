/**
 * UDP in and out, whatever the family: the sockets that a run of the sender uses, and the same bytes to
 * every target, again and again, since a lost datagram is to cost an interval, not a host.
 */
import { systemReason } from "../errors.ts";
import { sleep, type Time } from "../time.ts";
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
  close(): void;
}

/** What open sockets note. */
export interface PortNotes {
  /** Addresses that names were found at. */
  readonly named: Set<string>;
  /** Own ports outside the range that was asked for, which a firewall's rule may not know. */
  readonly strayPorts: Set<number>;
}

/** Opens sockets that hand on what they receive. */
export type OpenDatagramPort = (receive: Receive, notes: PortNotes) => DatagramPort;

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
  return (receive, notes) => new Sockets(range, receive, notes);
}

class Sockets implements DatagramPort {
  readonly #sockets = new Map<string, Deno.DatagramConn>();
  readonly #addresses = new Map<string, Promise<string[]>>();
  #closed = false;

  constructor(
    readonly range: PortRange,
    readonly receive: Receive,
    readonly notes: PortNotes,
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
    if (socket.addr.transport === "udp") this.notes.strayPorts.add(socket.addr.port);
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
      for (const address of addresses) this.notes.named.add(address);
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

/** What became of the copies to one target. */
export interface TargetOutcome {
  readonly target: Target;
  /** Copies that the system took. */
  sent: number;
  /** Why the latest copy that failed did; null if none did. */
  error: string | null;
}

/** A request's bytes, and where they go. */
export interface Copies {
  readonly bytes: Uint8Array;
  readonly outcomes: readonly TargetOutcome[];
  /** Monotonic time in ms when the latest copy was given to the system. */
  latestAt: number;
}

/** How often, and how far apart from start to start. */
export interface Schedule {
  readonly count: number;
  readonly intervalMs: number;
}

/** How long the last copies may hang in the resolver before the run goes on without them. */
const resolverMs = 5_000;

/**
 * Sends copies of all requests, the first at once, and returns how many there were. An error on one
 * target is kept in its outcome and hinders neither other targets nor later copies; a target whose
 * name takes long to look up doesn't hold the others up: until it is found its outcome has neither
 * copies nor an error. `onCopy` is called when the first datagram of a copy is with the system: what
 * it starts takes no time from it. When `signal` is aborted no copy follows.
 */
export async function sendCopies(
  requests: readonly Copies[],
  udpPort: number,
  schedule: Schedule,
  port: DatagramPort,
  time: Time,
  onCopy: (copy: number) => void,
  signal?: AbortSignal,
): Promise<number> {
  const start = time.monotonic();
  const pending: Promise<void>[] = [];
  let copies = 0;
  for (let copy = 1; copy <= schedule.count; copy++) {
    const due = start + (copy - 1) * schedule.intervalMs;
    if (copy > 1) await sleep(time.after, due - time.monotonic(), signal);
    if (signal?.aborted) break;
    copies = copy;
    for (const request of requests) request.latestAt = time.monotonic();
    const sends = requests.flatMap(({ bytes, outcomes }) =>
      outcomes.map((outcome) => ({ outcome, sent: sendOne(bytes, outcome, udpPort, port) }))
    );
    pending.push(...sends.map(({ sent }) => sent));
    Promise.race(sends.map(({ sent }) => sent)).then(() => onCopy(copy));
    // A process's first timer keeps it busy for 10 ms, and what the socket was given waits as long.
    if (copy === 1) {
      await Promise.all(
        sends.filter(({ outcome }) => outcome.target.address !== null).map(({ sent }) => sent),
      );
    }
  }
  if (signal?.aborted) return copies;
  await Promise.race([Promise.all(pending), sleep(time.after, resolverMs, signal)]);
  for (const outcome of requests.flatMap(({ outcomes }) => outcomes)) {
    if (outcome.sent === 0) outcome.error ??= "the resolver has not answered";
  }
  return copies;
}

/** Sends one datagram and notes in the outcome what became of it. Never rejects. */
export async function sendOne(
  bytes: Uint8Array,
  outcome: TargetOutcome,
  udpPort: number,
  port: DatagramPort,
): Promise<void> {
  try {
    await port.send(bytes, outcome.target, udpPort);
    outcome.sent++;
  } catch (error) {
    outcome.error = systemReason(error);
  }
}
