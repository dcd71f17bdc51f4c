import assert from "node:assert/strict";
import {
  datagramPortOpener,
  defaultSourcePorts,
  type Receive,
} from "../../../lib/sender/datagram_port.ts";
import { parseHost } from "../../../lib/sender/targets.ts";

/** A port in a range, and what it notes. */
function open(receive: Receive, range = defaultSourcePorts) {
  const notes = { named: new Set<string>(), strayPorts: new Set<number>() };
  return { port: datagramPortOpener(range)(receive, notes), notes };
}

const bytes = new Uint8Array([1, 2, 3]);

function listen(hostname: string): { socket: Deno.DatagramConn; port: number } {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  if (socket.addr.transport !== "udp") throw new Error("Not a UDP socket");
  return { socket, port: socket.addr.port };
}

/** Whether this machine has an IPv6 loopback address. */
const hasIpv6 = Deno.networkInterfaces().some(({ address }) => address === "::1");

for (const [hostname, family] of [["127.0.0.1", 4], ["::1", 6]] as const) {
  Deno.test({
    name: `datagramPortOpener() sends to ${hostname} and hands on what comes back`,
    ignore: family === 6 && !hasIpv6,
    async fn() {
      const { socket, port: udpPort } = listen(hostname);
      const received = Promise.withResolvers<unknown[]>();
      const { port } = open((...datagram: unknown[]) => received.resolve(datagram));
      try {
        await port.send(bytes, parseHost(hostname), udpPort);
        const [request, source] = await socket.receive();
        assert.deepEqual(request, bytes);
        await socket.send(new Uint8Array([9]), source);
        assert.deepEqual(await received.promise, [new Uint8Array([9]), hostname, udpPort]);
      } finally {
        port.close();
        socket.close();
      }
    },
  });
}

Deno.test("datagramPortOpener() takes the first free port of its range, else any and says so", async () => {
  const { socket, port: udpPort } = listen("127.0.0.1");
  const [taken, free] = [listen("0.0.0.0"), listen("0.0.0.0")].sort((a, b) => a.port - b.port);
  free.socket.close();
  const from = async (first: number, last: number) => {
    const { port, notes } = open(() => {}, { first, last });
    await port.send(bytes, parseHost("127.0.0.1"), udpPort);
    const [, source] = await socket.receive();
    const stray = [...notes.strayPorts];
    port.close();
    return [(source as Deno.NetAddr).port, stray] as const;
  };
  try {
    assert.deepEqual(await from(free.port, free.port), [free.port, []]);
    const [own, stray] = await from(taken.port, taken.port);
    assert.notEqual(own, taken.port);
    assert.deepEqual(stray, [own]);
  } finally {
    taken.socket.close();
    socket.close();
  }
});

Deno.test("datagramPortOpener() rejects for a name that nobody has, and goes on", async () => {
  const { socket, port: udpPort } = listen("127.0.0.1");
  const { port } = open(() => {});
  try {
    // Too long for a label: refused without a question to any name server.
    const nobody = { hostname: `${"a".repeat(64)}.invalid`, address: null };
    await assert.rejects(port.send(bytes, nobody, udpPort), /ENOTFOUND|lookup|resolve/i);
    await port.send(bytes, parseHost("127.0.0.1"), udpPort);
    assert.deepEqual((await socket.receive())[0], bytes);
  } finally {
    port.close();
    socket.close();
  }
});

Deno.test("datagramPortOpener() still receives after a closed port has refused its datagrams", async () => {
  const closed = listen("127.0.0.1");
  closed.socket.close();
  const { socket, port: udpPort } = listen("127.0.0.1");
  const received = Promise.withResolvers<Uint8Array>();
  const { port } = open((datagram) => received.resolve(datagram));
  try {
    for (let i = 0; i < 3; i++) {
      await port.send(bytes, parseHost("127.0.0.1"), closed.port);
    }
    await port.send(bytes, parseHost("127.0.0.1"), udpPort);
    const [, source] = await socket.receive();
    await socket.send(new Uint8Array([9]), source);
    assert.deepEqual(await received.promise, new Uint8Array([9]));
  } finally {
    port.close();
    socket.close();
  }
});
