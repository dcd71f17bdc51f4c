/** A receiver and its socket: new rules, errors, its end, and real ones on loopback. */
import assert from "node:assert/strict";
import type { FlushOutcome } from "../../../lib/neighbors/neighbor_cache.ts";
import { allowNetworks } from "../../../lib/receiver/sources.ts";
import { type OpenSocket, openUdpSocket } from "../../../lib/receiver/listeners.ts";
import { Receiver, type ReceiverRules } from "../../../lib/receiver/receiver.ts";
import { systemTime } from "../../../lib/time.ts";
import { parseRouterKeys } from "../../../lib/wire/keys.ts";
import type { FlushAck } from "../../../lib/wire/ack.ts";
import { readAck } from "../../support/datagrams.ts";
import { settle } from "../../support/test_time.ts";
import {
  firstAnswer,
  keepReport,
  notingCache,
  r1,
  removing,
  router,
  signed,
  startHarness,
  testParts,
  testRules,
} from "./harness.ts";

const start = 1_700_000_000_000;
const fresh = { created: start + 1 } as const;

/** A receiver whose sockets do nothing but note where they were opened. */
function startNoting(
  addresses = testRules.addresses,
  parts: Parameters<typeof startHarness>[0] = {},
) {
  const opened: string[] = [];
  const open: OpenSocket = (address, port) => {
    if (address === "192.0.2.66") throw new Deno.errors.AddrNotAvailable("Not here");
    opened.push(`${address} ${port}`);
    const { promise, reject } = Promise.withResolvers<never>();
    return {
      addr: { transport: "udp", hostname: address, port },
      receive: () => promise,
      send: (bytes) => Promise.resolve(bytes.length),
      close: () => reject(new Deno.errors.Interrupted("closed")),
    };
  };
  return { opened, ...startHarness({ open, ...parts }, { addresses }) };
}

Deno.test("Receiver.renewSockets() opens single addresses anew, but not at its end", async () => {
  const { promise, resolve } = Promise.withResolvers<FlushOutcome>();
  const { opened, receiver } = startNoting(["192.0.2.9"], { cache: { flush: () => promise } });
  receiver.renewSockets();
  await settle();
  assert.equal(opened.length, 2);
  void receiver.flushAll("a test");
  const stopped = receiver.stop();
  receiver.renewSockets();
  await settle();
  resolve(removing(0));
  await stopped;
  assert.equal(opened.length, 2);
});

Deno.test("Receiver says which of its addresses is missing", () => {
  const { said } = startNoting(["192.0.2.9", "192.0.2.66"]);
  const values = { address: "192.0.2.66", port: 27_735, error: "Not here" };
  assert.deepEqual(said, [{ event: "addressMissing", values }]);
});

Deno.test("Receiver counts an ack as failed that goes out on none of a source's links", async () => {
  const send = () => Promise.reject(new Error("Network is down"));
  const bytes = signed(fresh);
  let isFirst = true;
  const open: OpenSocket = (hostname, port) => ({
    addr: { transport: "udp", hostname, port },
    receive: () => {
      if (!isFirst) return new Promise(() => {});
      isFirst = false;
      return Promise.resolve([bytes, { ...r1, hostname: "fe80::1" }]);
    },
    send,
    close() {},
  });
  const { receiver, saidOf } = startHarness({ open, linkZones: () => [2, 3] });
  await settle(200);
  const { acksFailed, acksSent } = receiver.counters.counted;
  assert.deepEqual([acksFailed, acksSent], [1, 0]);
  assert.equal(saidOf("ackFailed")[0].values.error, "Network is down");
});

Deno.test("Receiver.configure() opens a socket only for another address or port", async () => {
  const { opened, receiver } = startNoting();
  await receiver.configure({ ...testRules, holdDownMs: 5_000 });
  assert.deepEqual(opened, ["0.0.0.0 27735"]);
  await receiver.configure({ ...testRules, port: 27_736 });
  await receiver.configure({ ...testRules, port: 27_736, addresses: ["192.0.2.9"] });
  assert.deepEqual(opened, ["0.0.0.0 27735", "0.0.0.0 27736", "192.0.2.9 27736"]);
  assert.deepEqual([receiver.addresses, receiver.port], [["192.0.2.9"], 27_736]);
  await receiver.stop();
});

Deno.test("Receiver.configure() applies each rule from the next datagram on", async () => {
  const { ask, receiver } = startHarness();
  await receiver.configure({ ...testRules, isAllowed: () => false });
  await ask();
  await receiver.configure({ ...testRules, routerKeys: parseRouterKeys([]) });
  await ask();
  await receiver.configure({ ...testRules, toleranceMs: 1_000 });
  await ask({ created: start - 1_001 });
  await receiver.configure(testRules);
  await ask();
  const { counted, refused, stale } = receiver.counters;
  assert.deepEqual([refused.source, refused.key, stale.clock, counted.accepted], [1, 1, 1, 1]);
});

Deno.test("Receiver.configure() applies the hold-down to what is pending", async () => {
  const { ask, holdDown, pass, flushes, receiver } = startHarness();
  await holdDown();
  await ask();
  assert.equal(flushes.length, 3);
  await receiver.configure({ ...testRules, holdDownMs: 1_000 });
  await pass(1_000);
  assert.equal(flushes.length, 4);
});

Deno.test("Receiver lives on after a fault of its own, and says so once", async () => {
  let broken = true;
  const isAllowed = () => {
    if (broken) throw new TypeError("isAllowed is broken");
    return true;
  };
  const { ask, receiver, saidOf } = startHarness({}, { isAllowed });
  for (let i = 0; i < 100; i++) await ask();
  broken = false;
  await ask();
  assert.equal(receiver.counters.counted.accepted, 1);
  assert.equal(receiver.counters.counted.receiveErrors, 100);
  assert.deepEqual(saidOf("receiveFailed").map(({ values }) => values.error), [
    "isAllowed is broken",
  ]);
});

function rulesAt(address: string): ReceiverRules {
  return { ...testRules, addresses: [address], port: 0, isAllowed: allowNetworks([]) };
}

/** A receiver on loopback, for a client beside it. */
function startReal() {
  const kept = keepReport();
  const { cache } = notingCache();
  const parts = { ...testParts, cache, report: kept.report, time: systemTime, open: openUdpSocket };
  return { ...kept, receiver: new Receiver(rulesAt("127.0.0.1"), parts) };
}

/** Sends a request to a receiver; gives its ack. */
async function ask({ port }: Receiver, bytes = signed(), hostname?: string): Promise<FlushAck> {
  return readAck(await firstAnswer(port, [bytes], hostname), bytes, router);
}

Deno.test("Receiver flushes for a request and acknowledges with what it removed", async () => {
  const { receiver, saidOf } = startReal();
  const ack = await ask(receiver);
  assert.deepEqual([ack.status, ack.entries, ack.error, ack.host], ["flushed", 1, 0, "host1"]);
  assert.ok(Math.abs(ack.clock - Date.now()) < 5_000);
  await receiver.stop();
  assert.equal(saidOf("flushed").length, 1);
  assert.equal(saidOf("flushed")[0].values.who, `r1 (127.0.0.1, key ${router.key.idText})`);
});

Deno.test("Receiver answers the next request after 1,000 acks to a closed port", async () => {
  const { receiver } = startReal();
  // Each of these senders is gone before its ack arrives: the kernel answers with ICMP.
  for (let i = 0; i < 1_000; i++) {
    const gone = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const to = { transport: "udp", hostname: "127.0.0.1", port: receiver.port } as const;
    await gone.send(signed({ action: "probe", ackSpreadMs: 1 }), to);
    gone.close();
  }
  assert.equal((await ask(receiver)).status, "flushed");
  const { acksSent, acksFailed } = receiver.counters.counted;
  await receiver.stop();
  assert.ok(acksSent + acksFailed > 500, `${acksSent} acks sent, ${acksFailed} failed`);
});

Deno.test("Receiver moved by new rules keeps what it has seen", async () => {
  const { receiver } = startReal();
  const bytes = signed();
  assert.equal((await ask(receiver, bytes)).status, "flushed");
  const { port } = receiver;
  await receiver.configure(rulesAt("127.0.0.2"));
  assert.equal(receiver.port, port, "any port is the one that it has");
  await ask(receiver, bytes, "127.0.0.2");
  assert.equal(receiver.counters.counted.flushes, 1);
  assert.equal(receiver.counters.counted.repeated, 1);
  await receiver.stop();
});

Deno.test("Receiver says where its socket is lost and open again, and counts it", async () => {
  let sockets = 0;
  const open: OpenSocket = (hostname, port) => ({
    addr: { transport: "udp", hostname, port },
    receive() {
      if (++sockets > 1) return new Promise(() => {});
      return Promise.reject(new Deno.errors.BadResource("Bad resource ID"));
    },
    send: (bytes) => Promise.resolve(bytes.length),
    close() {},
  });
  const { receiver, said } = startHarness({ open });
  await settle();
  const place = { address: "0.0.0.0", port: 27_735 };
  assert.deepEqual(said, [
    { event: "socketLost", values: { ...place, error: "Bad resource ID" } },
    { event: "socketReopened", values: place },
  ]);
  assert.equal(receiver.counters.counted.socketsReopened, 1);
});
