/**
 * One request through a receiver of its own, in memory: no datagram leaves or comes, no neighbor is
 * touched, nothing is counted or logged. What runs for the first time is compiled and loaded first,
 * which takes about 10 ms; the request that a service waits for comes once in weeks, and shouldn't
 * wait for that.
 */
import { createMemoryCache } from "../neighbors/memory.ts";
import { idLength } from "../wire/datagram.ts";
import { prefixOf } from "../wire/ip_address.ts";
import { encodeRequest } from "../wire/request.ts";
import { systemAfter, systemClock } from "./clock.ts";
import type { OpenSocket } from "./datagram_loop.ts";
import { type ReceiverRules, startReceiver } from "./receiver.ts";

const asker: Deno.NetAddr = { transport: "udp", hostname: "127.0.0.1", port: 1 };

/**
 * Rehearses under rules; resolves when the ack was sent. Does nothing without a key. Derives what
 * the signing key derives at its first use.
 */
export async function rehearse(rules: ReceiverRules): Promise<void> {
  const key = rules.keyring?.signing;
  if (key === undefined) return;
  const request = encodeRequest({
    action: "flush all",
    acknowledge: true,
    report: true,
    created: Date.now(),
    id: crypto.getRandomValues(new Uint8Array(idLength)),
    ackSpreadMs: 0,
    sender: "rehearsal",
    addresses: [prefixOf(4, 32, 192, 0, 2, 1)],
  }, key);
  const { promise: done, resolve: end } = Promise.withResolvers<void>();
  const receiver = startReceiver(rules, {
    cache: createMemoryCache(),
    report: () => {},
    clock: systemClock,
    after: systemAfter,
    random: Math.random,
    open: askedOnce(request, end),
    hostName: "rehearsal",
  });
  await done;
  await receiver.stop();
}

/** A socket that receives one datagram, and then nothing until it is closed. */
function askedOnce(datagram: Uint8Array, answered: () => void): OpenSocket {
  return () => {
    const { promise: closed, reject: close } = Promise.withResolvers<never>();
    closed.catch(() => {});
    let asked = false;
    return {
      addr: asker,
      receive() {
        if (asked) return closed;
        asked = true;
        return Promise.resolve([datagram, asker]);
      },
      send(bytes) {
        answered();
        return Promise.resolve(bytes.length);
      },
      close: () => close(new Deno.errors.BadResource("closed")),
    };
  };
}
