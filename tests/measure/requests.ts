/** Requests, genuine and not, and a socket that sends them one copy at a time. */
import { decodeAck, type FlushAck, type SentRequest } from "../../lib/wire/ack.ts";
import { defaultPort, idLength, offsets } from "../../lib/wire/datagram.ts";
import { parseSecretKeyFile } from "../../lib/wire/keys.ts";
import type { FlushRequest } from "../../lib/wire/request.ts";
import {
  createRouter,
  routerOf,
  sentRequest,
  signRequest,
  type TestRouter,
} from "../support/datagrams.ts";

/** The router that receivers and their peers obey. Its key protects nothing. */
export const sharedRouter = createRouter(7);

/** Where peers/ask.c listens: receivers tell it there when a flush starts. */
export const askPort = 47_901;

/** A request whose filter is wrong in its last bit. */
export function forged(request: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  request[request.length - 1] ^= 1;
  return request;
}

/** A request with a right filter and a wrong signature, as whoever has a router's public key makes it. */
export function insidersRequest({ key }: TestRouter): Uint8Array<ArrayBuffer> {
  return signRequest({ ...createRouter(200), key });
}

/** Random bytes. */
export function junk(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** The file that peers in C read: each datagram behind its length, 2 bytes big-endian. */
export function datagramFile(datagrams: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(datagrams.reduce((sum, bytes) => sum + 2 + bytes.length, 0));
  let at = 0;
  for (const bytes of datagrams) {
    file.set([bytes.length >> 8, bytes.length & 0xff], at);
    file.set(bytes, at + 2);
    at += 2 + bytes.length;
  }
  return file;
}

/** How a request is repeated until its ack comes. */
interface Copies {
  readonly count: number;
  readonly intervalMs: number;
}

/** A socket that sends requests to one service, many at once, and finds each one's ack. */
export interface RequestSocket extends Disposable {
  readonly router: TestRouter;
  /** Sends a new request; its last ack, or null if none came within the time in ms. */
  request(
    changes?: Partial<FlushRequest>,
    withinMs?: number,
    copies?: Copies,
  ): Promise<FlushAck | null>;
  /** Signs a request as the socket's router. */
  sign(changes?: Partial<FlushRequest>): Uint8Array<ArrayBuffer>;
  /** Sends bytes as they are and waits for no answer. */
  send(bytes: Uint8Array): Promise<void>;
}

/** Opens a socket towards a service, for the router of a key file's text. */
export function openRequestSocket(keyText: string, hostname: string): RequestSocket {
  const router = routerOf(parseSecretKeyFile(keyText));
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const to = { transport: "udp", hostname, port: defaultPort } as const;
  const waiting = new Map<string, { sent: SentRequest; heard: (ack: FlushAck) => void }>();
  let open = true;
  const idOf = (bytes: Uint8Array) => bytes.subarray(offsets.id, offsets.id + idLength).toHex();

  async function listen(): Promise<void> {
    while (open) {
      try {
        const [bytes] = await socket.receive();
        const request = waiting.get(idOf(bytes));
        const decoded = request === undefined ? "unknown" : decodeAck(bytes, request.sent);
        if (typeof decoded === "string" || decoded.ack.status === "pending") continue;
        request?.heard(decoded.ack);
      } catch {
        // The service is not there at the moment, or the socket has been closed.
      }
    }
  }
  listen();

  return {
    router,
    sign: (changes) => signRequest(router, changes),
    send: async (bytes) => void await socket.send(bytes, to),
    async request(
      changes = {},
      withinMs = 5_000,
      { count, intervalMs } = { count: 1, intervalMs: 0 },
    ) {
      const bytes = signRequest(router, changes);
      const id = idOf(bytes);
      const { promise, resolve } = Promise.withResolvers<FlushAck | null>();
      waiting.set(id, { sent: sentRequest(bytes, router), heard: resolve });
      const timers = [setTimeout(() => resolve(null), withinMs)];
      for (let i = 1; i < count; i++) {
        timers.push(setTimeout(() => void socket.send(bytes, to).catch(() => {}), i * intervalMs));
      }
      try {
        await socket.send(bytes, to);
        return await promise;
      } finally {
        timers.forEach(clearTimeout);
        waiting.delete(id);
      }
    },
    [Symbol.dispose]() {
      open = false;
      socket.close();
    },
  };
}
