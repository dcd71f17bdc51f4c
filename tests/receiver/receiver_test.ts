/** The receiver over real sockets on loopback, with the cache in memory. */
import assert from "node:assert/strict";
import {
  createMemoryCache,
  createSimulatedCache,
  simulatedRouter,
} from "../../lib/neighbors/memory.ts";
import { NeighborCacheError } from "../../lib/neighbors/neighbor_cache.ts";
import { allowNetworks } from "../../lib/receiver/allowed_sources.ts";
import { systemAfter, systemClock } from "../../lib/receiver/clock.ts";
import { openUdpSocket } from "../../lib/receiver/datagram_loop.ts";
import {
  type ReceiverParts,
  type ReceiverRules,
  startReceiver,
} from "../../lib/receiver/receiver.ts";
import { decodeAck, type FlushAck } from "../../lib/wire/ack.ts";
import { formatLinkLayerAddress } from "../../lib/wire/link_layer_address.ts";
import { encodeRequest, requestMacOf } from "../../lib/wire/request.ts";
import { keepReport, key, keyring, request } from "./helpers.ts";

/** A receiver on loopback and a client beside it. */
function start(parts: Partial<ReceiverParts> = {}, rules: Partial<ReceiverRules> = {}) {
  const kept = keepReport();
  const receiver = startReceiver({
    address: "127.0.0.1",
    port: 0,
    holdDownMs: 10_000,
    isAllowed: allowNetworks([]),
    keyring,
    isLegacy: null,
    toleranceMs: 60_000,
    ...rules,
  }, {
    cache: createSimulatedCache(() => [{ mac: "02:00:00:00:00:02" }]),
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
    /** The next datagram, which must be an ack to these bytes. */
    async ack(bytes: Uint8Array, reportCount = 0): Promise<FlushAck> {
      const [answer] = await socket.receive();
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
  const asked = { report: true, addresses: [simulatedRouter] };
  const probe = await client.ask(request({ ...asked, action: "probe" }));
  assert.deepEqual([probe.status, probe.entries], ["alive", 1]);
  assert.equal(formatLinkLayerAddress(probe.reports[0].linkLayerAddress), "00:00:5e:00:53:01");
  const flush = await client.ask(request({ ...asked, action: "flush listed" }));
  assert.deepEqual([flush.status, flush.entries], ["flushed", 1]);
  assert.equal(formatLinkLayerAddress(flush.reports[0].linkLayerAddress), "02:00:00:00:00:02");
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
