/**
 * A stand-in for the service: a UDP socket that reads requests of the tests' router and answers as
 * the test says. It has no cache, no replay window and no gate; the real service is tested with the
 * sender in tests/net.
 */
import type { FlushAck } from "../../../lib/wire/ack.ts";
import {
  type FlushRequest,
  hasRightFilter,
  parseRequest,
  requestHeaderFault,
} from "../../../lib/wire/request.ts";
import { signAck, type TestRouter } from "../../support/datagrams.ts";
import { testRouter } from "./sender_process.ts";

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

/** Acks to a request that is the n-th datagram (from 1) of this host: what differs from success. */
export type Answers = (request: FlushRequest, n: number) => readonly Partial<FlushAck>[];

function requestIn(bytes: Uint8Array): FlushRequest {
  const fault = requestHeaderFault(bytes);
  if (fault !== null) throw new Error(`Not a request: ${fault}`);
  if (!hasRightFilter(bytes, testRouter.key)) throw new Error("Not a request: filter");
  const request = parseRequest(bytes);
  if (request === null) throw new Error("Not a request: it contradicts itself");
  return request;
}

/** Starts a host on a loopback address; port 0 is one that the system chooses. */
export function startStandInHost(
  answers: Answers,
  { hostname = "127.0.0.1", port = 0, router = testRouter }: {
    hostname?: string;
    port?: number;
    /** Whose acks it makes. */
    router?: TestRouter;
  } = {},
): StandInHost {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  if (socket.addr.transport !== "udp") throw new Error("Not a UDP socket");
  const received: ReceivedRequest[] = [];
  const ended = (async () => {
    for await (const [bytes, source] of socket) {
      const request = requestIn(bytes);
      received.push({ bytes, request });
      for (const changes of answers(request, received.length)) {
        await socket.send(signAck(bytes, router, changes), source);
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
