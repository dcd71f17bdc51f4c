/**
 * A stand-in for the service: a UDP socket that reads requests with the tests' key and answers as
 * the test says. It has no cache, no replay window and no gate; the real service is tested with the
 * sender in service_test.ts.
 */
import { encodeAck, type FlushAck } from "../../../lib/wire/ack.ts";
import type { Key } from "../../../lib/wire/keys.ts";
import { type FlushRequest, requestMacOf } from "../../../lib/wire/request.ts";
import { key, requestIn } from "./helpers.ts";

/** A request as the stand-in got it. */
export interface ReceivedRequest {
  readonly bytes: Uint8Array;
  readonly request: FlushRequest;
}

export interface StandInHost {
  readonly port: number;
  /** In the order of arrival, copies included. */
  readonly received: readonly ReceivedRequest[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Acks to a request that is the n-th datagram (from 1) of this host. */
export type Answers = (request: FlushRequest, n: number) => readonly FlushAck[];

/** Starts a host on a loopback address; port 0 is one that the system chooses. */
export function startStandInHost(
  answers: Answers,
  { hostname = "127.0.0.1", port = 0, signer = key }: {
    hostname?: string;
    port?: number;
    signer?: Key;
  } = {},
): StandInHost {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  if (socket.addr.transport !== "udp") throw new Error("Not a UDP socket");
  const received: ReceivedRequest[] = [];
  const ended = (async () => {
    for await (const [bytes, source] of socket) {
      const request = requestIn(bytes);
      received.push({ bytes, request });
      for (const ack of answers(request, received.length)) {
        await socket.send(encodeAck(ack, signer, requestMacOf(bytes)), source);
      }
    }
  })();
  return {
    port: socket.addr.port,
    received,
    async [Symbol.asyncDispose]() {
      socket.close();
      await ended;
    },
  };
}
