/** The receiver over real sockets on loopback, with the cache in memory. */
import assert from "node:assert/strict";
import { createMemoryCache } from "../../../lib/neighbors/memory.ts";
import { NeighborCacheError } from "../../../lib/neighbors/neighbor_cache.ts";
import { allowNetworks } from "../../../lib/receiver/accept.ts";
import { openUdpSocket } from "../../../lib/receiver/datagram_loop.ts";
import {
  type ReceiverParts,
  type ReceiverRules,
  startReceiver,
} from "../../../lib/receiver/receiver.ts";
import { systemAfter, systemClock } from "../../../lib/time.ts";
import { decodeAck, type FlushAck } from "../../../lib/wire/ack.ts";
import { encodeRequest, requestMacOf } from "../../../lib/wire/request.ts";
import { address, keepReport, key, keyring, request } from "./helpers.ts";

const router = address("192.0.2.1");
const failedRouter = Uint8Array.of(2, 0, 0, 0, 0, 1);
const newRouter = Uint8Array.of(2, 0, 0, 0, 0, 2);

function rulesAt(address: string): ReceiverRules {
  return {
    address,
    port: 0,
    holdDownMs: 10_000,
    isAllowed: allowNetworks([]),
    keyring,
    isLegacy: null,
    toleranceMs: 60_000,
  };
}

/** A receiver on loopback, for a client beside it. */
function start(parts: Partial<ReceiverParts> = {}, rules: Partial<ReceiverRules> = {}) {
  const kept = keepReport();
  const receiver = startReceiver({ ...rulesAt("127.0.0.1"), ...rules }, {
    cache: createMemoryCache({
      neighbors: [{
        address: router,
        interfaceName: "e0",
        linkLayerAddress: failedRouter,
        permanent: false,
      }],
      answer: () => newRouter,
    }),
    report: kept.report,
    clock: systemClock,
    after: systemAfter,
    random: Math.random,
    open: openUdpSocket,
    hostName: "host1",
    ...parts,
  });
  return { ...kept, receiver };
}

function startClient(port: number) {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
  return {
    socket,
    send: (bytes: Uint8Array) => socket.send(bytes, to),
    /** Sends a request and waits for its ack. */
    async ask(asked = request()): Promise<FlushAck> {
      const bytes = encodeRequest(asked, key);
      await socket.send(bytes, to);
      return await this.ack(bytes, asked.report ? asked.addresses.length : 0);
    },
    /** The next datagram, which must come soon and be an ack to these bytes. */
    async ack(bytes: Uint8Array, reportCount = 0): Promise<FlushAck> {
      const timer = setTimeout(() => socket.close(), 10_000);
      const [answer] = await socket.receive();
      clearTimeout(timer);
      const sent = {
        key,
        id: bytes.slice(20, 36),
        mac: requestMacOf(bytes),
        reportCount,
      };
      const ack = decodeAck(answer, sent);
      assert.ok(typeof ack !== "string", `not an ack: ${ack}`);
      assert.ok(answer.length <= bytes.length);
      return ack;
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

Deno.test("startReceiver() flushes for a request and acknowledges with what it removed", async () => {
  const { receiver, saidOf } = start();
  using client = startClient(receiver.port);
  const ack = await client.ask();
  assert.deepEqual([ack.status, ack.entries, ack.error, ack.host], ["flushed", 1, 0, "host1"]);
  assert.ok(Math.abs(ack.clock - Date.now()) < 5_000);
  await receiver.stop();
  assert.equal(saidOf("flushed").length, 1);
  assert.equal(saidOf("flushed")[0].values.who, `r1 (127.0.0.1, key ${key.idText})`);
});

Deno.test("startReceiver() reports on the neighbors asked about, resolved after the flush", async () => {
  const { receiver } = start();
  using client = startClient(receiver.port);
  const asked = { report: true, addresses: [router] };
  const probe = await client.ask(request({ ...asked, action: "probe" }));
  assert.deepEqual([probe.status, probe.entries], ["alive", 1]);
  assert.deepEqual(probe.reports[0].linkLayerAddress, failedRouter);
  const flush = await client.ask(request({ ...asked, action: "flush listed" }));
  assert.deepEqual([flush.status, flush.entries], ["flushed", 1]);
  assert.deepEqual(flush.reports[0].linkLayerAddress, newRouter);
  await receiver.stop();
});

Deno.test("startReceiver() answers a failed flush with its error, and its next copy tries again", async () => {
  let failures = 1;
  const cache = createMemoryCache({
    before(method) {
      if (method === "flush" && failures-- > 0) throw new NeighborCacheError("Not permitted", 1);
    },
  });
  const { receiver, saidOf } = start({ cache });
  using client = startClient(receiver.port);
  const asked = request();
  const failed = await client.ask(asked);
  assert.deepEqual([failed.status, failed.error], ["failed", 1]);
  assert.equal((await client.ask(asked)).status, "flushed");
  await receiver.stop();
  assert.equal(saidOf("flushFailed").length, 1);
  assert.equal(receiver.counters.counted.flushes, 2);
});

Deno.test("startReceiver() answers the next request after 1,000 acks to a closed port", async () => {
  const { receiver } = start();
  using client = startClient(receiver.port);
  // Each of these senders is gone before its ack arrives: the kernel answers with ICMP.
  for (let i = 0; i < 1_000; i++) {
    const gone = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const to = { transport: "udp", hostname: "127.0.0.1", port: receiver.port } as const;
    await gone.send(encodeRequest(request({ action: "probe", ackSpreadMs: 1 }), key), to);
    gone.close();
  }
  assert.equal((await client.ask()).status, "flushed");
  const { acksSent, acksFailed } = receiver.counters.counted;
  await receiver.stop();
  assert.ok(acksSent + acksFailed > 500, `${acksSent} acks sent, ${acksFailed} failed`);
});

Deno.test("startReceiver() finds a genuine request among junk and answers none of that", async () => {
  const { receiver, saidOf } = start();
  using client = startClient(receiver.port);
  const junk = [0, 1, 127, 128, 146, 1_226, 1_500, 9_000].map((length) =>
    crypto.getRandomValues(new Uint8Array(length))
  );
  // In small portions: the kernel drops what overflows a socket's buffer.
  for (let portion = 0; portion < 25; portion++) {
    for (const bytes of junk) await client.send(bytes);
    assert.equal((await client.ask(request({ action: "probe" }))).status, "alive");
  }
  const { refused, counted } = receiver.counters;
  assert.equal(Object.values(refused).reduce((sum, count) => sum + count, 0), 200);
  assert.equal(counted.acksSent, 25);
  await receiver.stop();
  assert.equal(saidOf("refused").reduce((sum, { values }) => sum + Number(values.count), 0), 200);
});

Deno.test("startReceiver() hears IPv4 and IPv6 on a dual-stack socket and answers both", async () => {
  const { receiver } = start({}, { address: "::" });
  using client = startClient(receiver.port);
  assert.equal((await client.ask()).status, "flushed");
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "::1", port: 0 });
  const bytes = encodeRequest(request({ action: "probe" }), key);
  await socket.send(bytes, { transport: "udp", hostname: "::1", port: receiver.port });
  const [answer] = await socket.receive();
  assert.equal(answer.length, 128);
  socket.close();
  await receiver.stop();
});

Deno.test("startReceiver() never sends more bytes than it received", async () => {
  const { receiver } = start();
  using client = startClient(receiver.port);
  for (let count = 1; count <= 61; count++) {
    const addresses = Array.from({ length: count }, (_, i) => ({
      ...router,
      bytes: router.bytes.with(3, i),
    }));
    // client.ack compares the lengths.
    const ack = await client.ask(request({ action: "probe", report: true, addresses }));
    assert.equal(ack.reports.length, count);
  }
  await receiver.stop();
});

Deno.test("startReceiver() moved by new rules keeps what it has seen", async () => {
  const { receiver } = start();
  using before = startClient(receiver.port);
  const asked = request();
  const bytes = encodeRequest(asked, key);
  assert.equal((await before.ask(asked)).status, "flushed");
  await receiver.configure(rulesAt("127.0.0.2"));
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  await socket.send(bytes, { transport: "udp", hostname: "127.0.0.2", port: receiver.port });
  const timer = setTimeout(() => socket.close(), 10_000);
  await socket.receive();
  clearTimeout(timer);
  socket.close();
  assert.equal(receiver.counters.counted.flushes, 1);
  assert.equal(receiver.counters.counted.repeated, 1);
  await receiver.stop();
});
