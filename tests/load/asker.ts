/**
 * Asks a service without the sender's patience: one copy of each request, as many at once as one
 * likes, and each ack to the request it belongs to.
 */
import { decodeAck, type FlushAck, type SentRequest } from "../../lib/wire/ack.ts";
import { defaultPort, idLength, offsets } from "../../lib/wire/datagram.ts";
import { type Key, parseKeyFile } from "../../lib/wire/keys.ts";
import { encodeRequest, type FlushRequest, requestMacOf } from "../../lib/wire/request.ts";

/** How many copies, and how far apart. */
export interface Schedule {
  readonly copies: number;
  readonly intervalMs: number;
}

/** A socket that asks. */
export interface Asker extends Disposable {
  /**
   * Sends a new request, one copy of it unless told otherwise; its ack, or null if none came within
   * the time in ms.
   */
  ask(
    changes?: Partial<FlushRequest>,
    withinMs?: number,
    schedule?: Schedule,
  ): Promise<FlushAck | null>;
  /** A signed request, for sending it by `send`. */
  sign(changes?: Partial<FlushRequest>): Uint8Array<ArrayBuffer>;
  /** Sends bytes as they are; their ack, if any, is nobody's. */
  send(bytes: Uint8Array): Promise<void>;
  /** Acks to no request that is waited for: repeated ones. */
  readonly others: number;
}

const once: Schedule = { copies: 1, intervalMs: 0 };

/** Opens a socket towards a service with the first key of a key file's text. */
export function openAsker(keyText: string, hostname: string, port = defaultPort): Asker {
  const key: Key = parseKeyFile(keyText).signing;
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const to = { transport: "udp", hostname, port } as const;
  const waiting = new Map<string, { sent: SentRequest; heard: (ack: FlushAck) => void }>();
  let others = 0;
  let open = true;

  function sign(changes: Partial<FlushRequest> = {}): Uint8Array<ArrayBuffer> {
    return encodeRequest({
      action: "flush all",
      acknowledge: true,
      report: false,
      created: Date.now(),
      id: crypto.getRandomValues(new Uint8Array(idLength)),
      ackSpreadMs: 0,
      sender: "load",
      addresses: [],
      ...changes,
    }, key);
  }

  async function listen(): Promise<void> {
    while (open) {
      try {
        const [bytes] = await socket.receive();
        const one = waiting.get(bytes.subarray(offsets.id, offsets.id + idLength).toHex());
        const ack = one === undefined ? "request id" : decodeAck(bytes, one.sent);
        if (typeof ack === "string") others++;
        else one?.heard(ack);
      } catch {
        // Nobody listens there at the moment, or the socket has been closed.
      }
    }
  }
  listen();

  return {
    sign,
    send: async (bytes) => void await socket.send(bytes, to),
    async ask(changes = {}, withinMs = 5_000, { copies, intervalMs } = once) {
      const bytes = sign(changes);
      const id = bytes.slice(offsets.id, offsets.id + idLength);
      const reportCount = changes.report ? changes.addresses?.length ?? 0 : 0;
      const { promise, resolve } = Promise.withResolvers<FlushAck | null>();
      const sent = { key, id, mac: requestMacOf(bytes), reportCount };
      waiting.set(id.toHex(), { sent, heard: resolve });
      const timers = [setTimeout(() => resolve(null), withinMs)];
      for (let i = 1; i < copies; i++) {
        timers.push(setTimeout(() => void socket.send(bytes, to).catch(() => {}), i * intervalMs));
      }
      try {
        await socket.send(bytes, to);
        return await promise;
      } finally {
        timers.forEach(clearTimeout);
        waiting.delete(id.toHex());
      }
    },
    get others() {
      return others;
    },
    [Symbol.dispose]() {
      open = false;
      socket.close();
    },
  };
}
