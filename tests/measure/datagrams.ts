/** Requests, genuine and not, as the files that flood.c and ask.c read. */
import { createKey } from "../../lib/wire/keys.ts";
import { encodeRequest, type FlushRequest } from "../../lib/wire/request.ts";
import { benchSecret } from "./secrets.ts";

/** A request to flush all, as the benches send it. */
export function benchRequest(changes: Partial<FlushRequest> = {}): Uint8Array<ArrayBuffer> {
  return encodeRequest({
    action: "flush all",
    acknowledge: true,
    report: false,
    created: Date.now(),
    id: crypto.getRandomValues(new Uint8Array(16)),
    ackSpreadMs: 0,
    sender: "bench",
    addresses: [],
    ...changes,
  }, createKey(benchSecret));
}

/** Requests that differ. */
export function genuineRequests(count: number, acknowledge = true): Uint8Array<ArrayBuffer>[] {
  return Array.from({ length: count }, () => benchRequest({ acknowledge }));
}

/** Requests whose MAC is wrong. */
export function forgedRequests(count: number): Uint8Array<ArrayBuffer>[] {
  return genuineRequests(count).map((bytes) => {
    bytes[bytes.length - 1] ^= 1;
    return bytes;
  });
}

/** Random bytes of random lengths, 1 to 1,400. */
export function junk(count: number): Uint8Array<ArrayBuffer>[] {
  return Array.from(
    { length: count },
    () => crypto.getRandomValues(new Uint8Array(1 + Math.floor(Math.random() * 1_400))),
  );
}

/** Each datagram behind its length, 2 bytes big-endian. */
export function datagramFile(datagrams: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = datagrams.reduce((sum, bytes) => sum + 2 + bytes.length, 0);
  const file = new Uint8Array(length);
  let at = 0;
  for (const bytes of datagrams) {
    file.set([bytes.length >> 8, bytes.length & 0xff], at);
    file.set(bytes, at + 2);
    at += 2 + bytes.length;
  }
  return file;
}
