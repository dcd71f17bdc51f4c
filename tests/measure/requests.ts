/** Requests, genuine and not, and a socket that sends them one copy at a time. */
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeAck, type FlushAck, type SentRequest } from "../../lib/wire/ack.ts";
import { defaultPort, idLength, offsets } from "../../lib/wire/datagram.ts";
import { createKey, parseKeyFile } from "../../lib/wire/keys.ts";
import type { FlushRequest } from "../../lib/wire/request.ts";
import { sentRequest, signRequest } from "../support/datagrams.ts";

/** The key that receivers and their peers share. It protects nothing. */
export const sharedSecret = new Uint8Array(32).fill(7);

/** Where peers/ask.c listens: receivers tell it there when a flush starts. */
export const askPort = 47_901;

/** The two keys that docs/protocol.md derives, for peers that don't derive them. */
export function derivedKeys() {
  const derive = (purpose: string) =>
    hkdf(sha256, sharedSecret, undefined, new TextEncoder().encode(`arpflush v1 ${purpose}`), 32);
  return { request: new Uint8Array(derive("request")), ack: new Uint8Array(derive("ack")) };
}

/** A request with the shared key, to flush all and to acknowledge. */
export function signedRequest(changes: Partial<FlushRequest> = {}): Uint8Array<ArrayBuffer> {
  return signRequest(createKey(sharedSecret), changes);
}

/** A request whose MAC is wrong in its last bit. */
export function forged(request: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  request[request.length - 1] ^= 1;
  return request;
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
  /** Sends a new request; its ack, or null if none came within the time in ms. */
  request(
    changes?: Partial<FlushRequest>,
    withinMs?: number,
    copies?: Copies,
  ): Promise<FlushAck | null>;
  /** Signs a request with the socket's key. */
  sign(changes?: Partial<FlushRequest>): Uint8Array<ArrayBuffer>;
  /** Sends bytes as they are and waits for no answer. */
  send(bytes: Uint8Array): Promise<void>;
}

/** Opens a socket towards a service, with the signing key of a key file's text. */
export function openRequestSocket(keyText: string, hostname: string): RequestSocket {
  const key = parseKeyFile(keyText).signing;
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
        const ack = request === undefined ? "unknown" : decodeAck(bytes, request.sent);
        if (typeof ack !== "string") request?.heard(ack);
      } catch {
        // The service is not there at the moment, or the socket has been closed.
      }
    }
  }
  listen();

  return {
    sign: (changes) => signRequest(key, changes),
    send: async (bytes) => void await socket.send(bytes, to),
    async request(
      changes = {},
      withinMs = 5_000,
      { count, intervalMs } = { count: 1, intervalMs: 0 },
    ) {
      const bytes = signRequest(key, changes);
      const id = idOf(bytes);
      const { promise, resolve } = Promise.withResolvers<FlushAck | null>();
      waiting.set(id, { sent: sentRequest(bytes, key), heard: resolve });
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
