/** A network without sockets: what is sent goes to the test's hosts at virtual times. */
import type { OpenDatagramPort, Recipient } from "../../../lib/sender/datagram_port.ts";
import type { TestTime } from "../../support/test_time.ts";

/** A datagram that was sent. */
export interface Sent {
  /** ms from the making of the network. */
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

export function virtualNetwork(time: TestTime, deliver: Deliver): VirtualNetwork {
  const start = time.monotonic();
  const sent: Sent[] = [];
  let closed = false;
  return {
    sent,
    isClosed: () => closed,
    open: (receive) => ({
      async send(bytes, to, udpPort) {
        const one = { at: time.monotonic() - start, bytes, to, udpPort };
        sent.push(one);
        await deliver(one, (reply, from, delayMs = 0) => {
          time.after(delayMs, () => {
            if (!closed) receive(reply, from, servicePort);
          });
        });
      },
      strayPorts: new Set(),
      close: () => void (closed = true),
    }),
  };
}
