/** Time that passes only when told, and a network without sockets whose datagrams follow it. */
import type { OpenDatagramPort, Recipient } from "../../../lib/sender/datagram_port.ts";
import type { Time } from "../../../lib/time.ts";

interface Event {
  readonly at: number;
  readonly run: () => void;
}

export interface VirtualTime extends Time {
  /** ms since the beginning. */
  elapsed(): number;
  /** Lets time pass until a promise settles; fails when nothing is left that could settle it. */
  until<T>(promise: Promise<T>): Promise<T>;
  /** Steps the Unix time alone. */
  step(ms: number): void;
}

/** Rounds of the microtask queue that any chain of promises in the sender has settled by. */
const rounds = 60;

/** A time that begins at these readings of the two clocks. */
export function virtualTime(startUnix = 1_700_000_000_000, monotonicStart = 0): VirtualTime {
  let elapsed = 0;
  let stepped = 0;
  let events: Event[] = [];
  return {
    wall: () => startUnix + stepped + Math.floor(elapsed),
    elapsed: () => elapsed,
    monotonic: () => elapsed + monotonicStart,
    step: (ms) => void (stepped += ms),
    after(ms, run) {
      const event = { at: elapsed + Math.max(0, ms), run };
      events.push(event);
      return () => void (events = events.filter((other) => other !== event));
    },
    async until(promise) {
      let settled = false;
      const end = () => void (settled = true);
      promise.then(end, end);
      while (true) {
        for (let i = 0; i < rounds; i++) await Promise.resolve();
        if (settled) return await promise;
        const next = events.reduce<Event | null>(
          (a, b) => a !== null && a.at <= b.at ? a : b,
          null,
        );
        if (next === null) throw new Error("Nothing is left to happen, and the promise is open");
        events = events.filter((other) => other !== next);
        elapsed = next.at;
        next.run();
      }
    },
  };
}

/** A datagram that was sent. */
export interface Sent {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly to: Recipient;
  readonly udpPort: number;
}

/** Answers a datagram through `reply`, at once or later; throws as the system would. */
export type Deliver = (
  sent: Sent,
  reply: (bytes: Uint8Array, from: string, delayMs?: number) => void,
) => void | Promise<void>;

export interface VirtualNetwork {
  readonly open: OpenDatagramPort;
  readonly sent: Sent[];
  isClosed(): boolean;
}

export const servicePort = 27735;

export function virtualNetwork(time: VirtualTime, deliver: Deliver): VirtualNetwork {
  const sent: Sent[] = [];
  let closed = false;
  return {
    sent,
    isClosed: () => closed,
    open: (receive) => ({
      async send(bytes, to, udpPort) {
        const one = { at: time.elapsed(), bytes, to, udpPort };
        sent.push(one);
        await deliver(one, (reply, from, delayMs = 0) => {
          time.after(delayMs, () => {
            if (!closed) receive(reply, from, servicePort);
          });
        });
      },
      close: () => void (closed = true),
    }),
  };
}
