/**
 * Stands in for many hosts that answer one broadcast, each from an address, with a name and with a
 * key of its own, each after a random delay up to the spread that the request asks for.
 *
 *   hosts.ts PORT COUNT BASE BROADCAST
 *
 * BASE is the first host's address; all must be this machine's (a local route will do). An ack is
 * signed when it is due; without a spread all are signed before the first is sent, as hosts would
 * sign theirs at one time. Copies are answered again.
 */
import { createSyncSigner } from "../../../lib/wire/ed25519_node.ts";
import { formatAddress, parseAddress } from "../../../lib/wire/addresses.ts";
import { viewOf } from "../../../lib/wire/datagram.ts";
import { hasRightFilter, parseRequest, requestHeaderFault } from "../../../lib/wire/request.ts";
import { signAck } from "../../support/datagrams.ts";
import { sharedRouter } from "../requests.ts";

const [portText, countText, base, broadcast] = Deno.args;
const port = Number(portText);

function nthAddress(n: number): string {
  const first = parseAddress(base);
  if (first === null) throw new Error(`Not an address: ${base}`);
  const bytes = first.bytes.slice();
  const view = viewOf(bytes);
  view.setUint32(0, view.getUint32(0) + n);
  return formatAddress({ ...first, bytes });
}

const listen = (hostname: string) => Deno.listenDatagram({ transport: "udp", hostname, port });
const hosts = Array.from({ length: Number(countText) }, (_, i) => ({
  host: `host${String(i).padStart(5, "0")}`,
  socket: listen(nthAddress(i)),
  signer: createSyncSigner(crypto.getRandomValues(new Uint8Array(32))),
}));

async function answer(request: Uint8Array, spreadMs: number, to: Deno.Addr): Promise<void> {
  const start = performance.now();
  const acks = hosts.map(({ host, socket, signer }) => {
    const sign = () => signAck(request, sharedRouter, { host }, signer);
    const bytes = spreadMs === 0 ? sign() : null;
    return { at: start + Math.random() * spreadMs, sign: () => bytes ?? sign(), socket };
  }).sort((a, b) => a.at - b.at);
  for (const { at, sign, socket } of acks) {
    const early = at - performance.now();
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
    await socket.send(sign(), to);
  }
}

const socket = listen(broadcast);
console.log("ready");
for await (const [bytes, from] of socket) {
  const request = requestHeaderFault(bytes) === null && hasRightFilter(bytes, sharedRouter.key)
    ? parseRequest(bytes)
    : null;
  if (request !== null) await answer(bytes, request.ackSpreadMs, from);
}
