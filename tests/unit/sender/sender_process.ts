/** The sender as a process of its own, with its own permissions. */
import type { FlushAck } from "../../../lib/wire/ack.ts";
import {
  type FlushRequest,
  hasRightFilter,
  parseRequest,
  requestHeaderFault,
} from "../../../lib/wire/request.ts";
import {
  type CommandLine,
  type CommandOutcome,
  inFolder,
  outcomeOf,
  type RunOptions,
} from "../../support/command.ts";
import { createRouter, signAck, type TestRouter } from "../../support/datagrams.ts";

/** Whose key the sender signs with. */
export const testRouter = createRouter(1);

const root = `${import.meta.dirname}/../../../`;

/** The command line that starts the sender as `deno task send` does. */
export const senderCommand: readonly string[] = [
  Deno.execPath(),
  ..."run -q --no-prompt -P=sender --config".split(" "),
  `${root}deno.json`,
  `${root}send.ts`,
];

/** Runs a command to its end, or ends it after 20 s. */
export async function runCommand(
  line: CommandLine,
  options: RunOptions = {},
): Promise<CommandOutcome> {
  return await outcomeOf(line, { signal: AbortSignal.timeout(20_000), ...options });
}

/** Runs the sender with these arguments. */
export async function runSender(args: readonly string[]): Promise<CommandOutcome> {
  return await runCommand([...senderCommand, ...args]);
}

/** A folder for a test, with a key file of the tests' key in it. */
export function withFolder(
  test: (folder: string, keyFile: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const keyFile = `${folder}/key`;
    await Deno.writeTextFile(keyFile, `${testRouter.secretText}\n`, { mode: 0o600 });
    await test(folder, keyFile);
  });
}

/** A request as the stand-in got it. */
export interface ReceivedRequest {
  readonly bytes: Uint8Array;
  readonly request: FlushRequest;
}

interface StandInHost {
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
