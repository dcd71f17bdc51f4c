/**
 * The part of the tests' router, run by this machine's own Deno in a session's network: reads
 * `MODE [NUMBER|TEXT [TEXT]]`, and prints one JSON document.
 *
 *   probe [TEXT [TEXT]]   asks the service at an address (127.0.0.1), from an address (the same), a copy
 *                  a second; prints its ack, or null after 20 s
 *   flush          the same with a flush
 *   beside NUMBER  has as many absent addresses asked for, and meanwhile a second router flush everything
 *                  three times; prints how long each ack of these took, in ms, null for none
 *   deaf NUMBER    sends as many probes, 8 copies each, every copy from a socket closed at once
 *   password TEXT  sends the 2009 datagram
 */
import { decodeAck, type FlushAck } from "../../../lib/wire/ack.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { defaultPort, maxAddresses } from "../../../lib/wire/datagram.ts";
import type { Action } from "../../../lib/wire/request.ts";
import { createRouter, readAck, sentRequest, signRequest } from "../../support/datagrams.ts";

const [mode, argument = "", from = ""] = Deno.args;
const router = createRouter(1);
const hostname = mode === "probe" && argument !== "" ? argument : "127.0.0.1";
const host: Deno.NetAddr = { transport: "udp", hostname, port: defaultPort };
const answerMillis = 20_000;
/** As the sender does: a socket that has just taken a burst loses what no longer fits. */
const copyMillis = 1_000;

function openSocket(): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname: from || hostname, port: 0 });
}

/**
 * Sends a request and gives its ack, and how long that took; what else comes was meant for a socket
 * that had this port before.
 */
async function askTimed(
  action: Action,
  by = router,
): Promise<{ readonly ack: FlushAck; readonly ms: number } | null> {
  const request = signRequest(by, { action });
  const socket = openSocket();
  const timer = setTimeout(() => socket.close(), answerMillis);
  const copies = setInterval(() => socket.send(request, host), copyMillis);
  try {
    const start = performance.now();
    await socket.send(request, host);
    for await (const [bytes] of socket) {
      const ms = performance.now() - start;
      if (typeof decodeAck(bytes, sentRequest(request, by)) === "string") continue;
      socket.close();
      return { ack: readAck(bytes, request, by), ms };
    }
    return null; // Closed by the timer.
  } finally {
    clearInterval(copies);
    clearTimeout(timer);
  }
}

async function ask(action: Action, by = router): Promise<FlushAck | null> {
  return (await askTimed(action, by))?.ack ?? null;
}

/**
 * What a second router's flushes take while addresses of 192.0.2.0/24 that nobody has are asked for:
 * from the moment a request is sent until its ack is there.
 */
async function flushBeside(count: number): Promise<(number | null)[]> {
  const second = createRouter(2);
  const addresses = Array.from({ length: count }, (_, i) => parsePrefix(`192.0.2.${100 + i}`));
  await ask("probe", second); // What runs for the first time takes its time.
  const socket = openSocket();
  for (let i = 0; i < count; i += maxAddresses) {
    const asked = { report: true, addresses: addresses.slice(i, i + maxAddresses) };
    await socket.send(signRequest(router, { action: "flush listed", ...asked }), host);
  }
  const times: (number | null)[] = [];
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const asked = await askTimed("flush all", second);
    times.push(asked?.ack.status === "flushed" ? asked.ms : null);
  }
  socket.close();
  return times;
}

/** Each of the 8 copies of a request is acknowledged. */
async function sendDeaf(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const request = signRequest(router, { action: "probe" });
    for (let copy = 0; copy < 8; copy++) {
      const socket = openSocket();
      await socket.send(request, host);
      socket.close();
    }
  }
}

async function sendPassword(password: string): Promise<void> {
  const socket = openSocket();
  await socket.send(new TextEncoder().encode(password), host);
  socket.close();
}

switch (mode) {
  case "probe":
  case "flush": {
    const ack = await ask(mode === "flush" ? "flush all" : "probe");
    console.log(JSON.stringify(ack === null ? null : { status: ack.status, error: ack.error }));
    break;
  }
  case "beside":
    console.log(JSON.stringify(await flushBeside(Number(argument))));
    break;
  case "deaf":
    await sendDeaf(Number(argument));
    console.log("{}");
    break;
  case "password":
    await sendPassword(argument);
    console.log("{}");
    break;
  default:
    console.error(`Unknown mode "${mode}"`);
    Deno.exit(2);
}
