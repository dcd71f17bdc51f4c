/**
 * Sockets at several addresses: on a double of a host whose addresses come and go, on sockets that
 * fail on command (the errors to survive can't be had from real ones here), and on real ones.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type DatagramSocket,
  Listeners,
  type OpenSocket,
  openUdpSocket,
} from "../../../lib/receiver/listeners.ts";
import { systemTime } from "../../../lib/time.ts";
import { createTestTime, settle } from "../../support/test_time.ts";

/** A socket of the host. */
interface Bound {
  readonly address: string;
  readonly port: number;
  fail: (error: Error) => void;
  deliver: (text: string, from: string) => void;
}

const isAny = (address: string) => address === "0.0.0.0" || address === "::";
const isIpv6 = (address: string) => address.includes(":");

/** A host with these addresses, on which a wildcard excludes single addresses of its family. */
function createHost(...given: string[]) {
  const there = new Set(["0.0.0.0", "::", ...given]);
  const bound: Bound[] = [];
  const sent: string[] = [];
  const log: string[] = [];
  let opens = 0;

  function open(address: string, port: number) {
    opens++;
    if (!there.has(address)) throw new Deno.errors.AddrNotAvailable("away");
    const isTaken = bound.some((other) =>
      other.port === port && isIpv6(other.address) === isIpv6(address) &&
      (other.address === address || isAny(other.address) || isAny(address))
    );
    if (isTaken) throw new Deno.errors.AddrInUse("taken");
    const waiting = Promise.withResolvers<[Uint8Array, Deno.Addr]>();
    let next = waiting;
    const one: Bound = {
      address,
      port: port || 4711,
      fail: (error) => next.reject(error),
      deliver(text, hostname) {
        const { resolve } = next;
        next = Promise.withResolvers();
        resolve([new TextEncoder().encode(text), { transport: "udp", hostname, port: 5 }]);
      },
    };
    bound.push(one);
    return {
      addr: { transport: "udp" as const, hostname: address, port: one.port },
      receive: () => next.promise,
      send(_: Uint8Array, to: Deno.Addr) {
        sent.push(`${address} -> ${"hostname" in to ? to.hostname : ""}`);
        return Promise.resolve(1);
      },
      close() {
        if (bound.includes(one)) bound.splice(bound.indexOf(one), 1);
        next.reject(new Deno.errors.Interrupted("closed"));
      },
    };
  }

  const time = createTestTime();
  function listen(addresses: readonly string[], port = 99): Listeners {
    const events = {
      datagram: (bytes: Uint8Array, from: Deno.NetAddr, local: string) =>
        void log.push(`${new TextDecoder().decode(bytes)} from ${from.hostname} by ${local}`),
      receiveFailed: () => void log.push("failed"),
      missing: ({ address }: { address: string }) => void log.push(`missing ${address}`),
      lost: ({ address }: { address: string }) => void log.push(`lost ${address}`),
      opened: ({ address, port }: { address: string; port: number }) =>
        void log.push(`opened ${address} ${port}`),
    };
    return new Listeners(addresses, port, events, time, open);
  }
  const places = () => bound.map(({ address, port }) => `${address} ${port}`).sort();
  const at = (address: string) => bound.find((one) => one.address === address)!;
  return { there, bound, sent, log, time, listen, places, at, opens: () => opens };
}

Deno.test("Listeners hear each address by itself, and answer by the socket that heard", async () => {
  const { listen, at, log, sent, places } = createHost("192.0.2.5", "192.0.2.6", "2001:db8::5");
  const listeners = listen(["192.0.2.5", "192.0.2.6", "2001:db8::5"], 0);
  assert.equal(listeners.port, 4711);
  assert.deepEqual(places(), ["192.0.2.5 4711", "192.0.2.6 4711", "2001:db8::5 4711"]);
  at("192.0.2.6").deliver("a", "192.0.2.1");
  at("2001:db8::5").deliver("b", "2001:db8::1");
  await settle();
  assert.deepEqual(log, ["a from 192.0.2.1 by 192.0.2.6", "b from 2001:db8::1 by 2001:db8::5"]);
  const to = { transport: "udp", hostname: "192.0.2.1", port: 5 } as const;
  await listeners.send(new Uint8Array(1), { ...to, local: "192.0.2.6" });
  await listeners.send(new Uint8Array(1), { ...to, hostname: "2001:db8::1", local: "gone" });
  assert.deepEqual(sent, ["192.0.2.6 -> 192.0.2.1", "2001:db8::5 -> 2001:db8::1"]);
  listeners.stop();
  assert.deepEqual(places(), []);
});

Deno.test("Listeners bind an address that comes, and that comes back, while the others are heard", async () => {
  const { there, listen, at, log, time } = createHost("192.0.2.5");
  const listeners = listen(["192.0.2.5", "2001:db8::5"]);
  assert.deepEqual(log.splice(0), ["missing 2001:db8::5"]);
  time.pass(30_000);
  await settle();
  at("192.0.2.5").deliver("a", "192.0.2.1");
  there.add("2001:db8::5");
  time.pass(5_000);
  await settle();
  assert.deepEqual(log.splice(0), ["a from 192.0.2.1 by 192.0.2.5", "opened 2001:db8::5 99"]);

  there.delete("192.0.2.5");
  at("192.0.2.5").fail(new Deno.errors.BadResource("gone"));
  await settle();
  at("2001:db8::5").deliver("b", "2001:db8::1");
  there.add("192.0.2.5");
  time.pass(5_000);
  await settle();
  assert.deepEqual(log, [
    "lost 192.0.2.5",
    "b from 2001:db8::1 by 2001:db8::5",
    "opened 192.0.2.5 99",
  ]);
  listeners.stop();
  assert.equal(time.timers, 0);
});

Deno.test("Listeners throw if no address can be listened on, and try nothing again", () => {
  const { listen, time } = createHost();
  assert.throws(() => listen(["192.0.2.5", "192.0.2.6"]), Deno.errors.AddrNotAvailable);
  assert.equal(time.timers, 0);
});

Deno.test("Listeners.move() gets anywhere, or leaves everything as it was", async () => {
  const all = ["192.0.2.5", "192.0.2.6", "2001:db8::5", "0.0.0.0", "::"];
  const list = fc.uniqueArray(fc.constantFrom(...all), { minLength: 1 })
    .filter((list) =>
      list.every((one) =>
        !isAny(one) || list.filter((other) => isIpv6(other) === isIpv6(one)).length === 1
      )
    );
  const port = fc.constantFrom(99, 100);
  await fc.assert(
    fc.asyncProperty(
      list,
      list,
      port,
      fc.constantFrom(null, ...all),
      async (from, to, port, away) => {
        const { there, listen, places, at, log } = createHost(...all);
        const listeners = listen(from);
        if (away !== null && !from.includes(away)) there.delete(away);
        const isMoved = await listeners.move(to, port).then(() => true, () => false);
        const placed = (list: readonly string[], port: number) =>
          list.map((one) => `${one} ${port}`);
        assert.equal(isMoved, to.every((address) => there.has(address)));
        assert.deepEqual(places(), (isMoved ? placed(to, port) : placed(from, 99)).sort());
        assert.deepEqual(listeners.addresses, isMoved ? to : from);
        for (const address of listeners.addresses) at(address).deliver("x", address);
        await settle();
        assert.deepEqual(log, listeners.addresses.map((one) => `x from ${one} by ${one}`));
        listeners.stop();
        assert.deepEqual(places(), []);
      },
    ),
  );
});

Deno.test("Listeners.move() closes nothing for a port that another program holds", async () => {
  const { listen, opens } = createHost("192.0.2.5");
  const [listeners] = [99, 100].map((port) => listen(["192.0.2.5"], port));
  await assert.rejects(() => listeners.move(["192.0.2.5"], 100), Deno.errors.AddrInUse);
  assert.equal(opens(), 3);
});

Deno.test("Listeners.renew() opens single addresses anew, and no socket at all addresses", async () => {
  const { there, listen, log, opens, places, time } = createHost("192.0.2.5");
  const listeners = listen(["192.0.2.5", "::"]);
  listeners.renew();
  await settle();
  assert.deepEqual([opens(), log], [3, []]);
  there.delete("192.0.2.5");
  listeners.renew();
  await settle();
  assert.deepEqual([places(), log], [[":: 99"], ["lost 192.0.2.5"]]);
  there.add("192.0.2.5");
  time.pass(200);
  await settle();
  assert.deepEqual(log, ["lost 192.0.2.5", "opened 192.0.2.5 99"]);
  listeners.stop();
});

const from = { transport: "udp", hostname: "192.0.2.1", port: 5 } as const;

/** What a scripted socket's next receive does: a byte to receive, or an error. */
type Script = (number | Error)[];

/** Sockets that follow scripts, one each; then they wait until closed. */
function scripted(scripts: Script[], refuseOpens: number[]) {
  let opened = 0;
  const closed: number[] = [];
  const open: OpenSocket = (_address, port) => {
    const index = opened++;
    if (refuseOpens.includes(index)) throw new Deno.errors.AddrNotAvailable("gone");
    const script = [...scripts[index] ?? []];
    let end = (_error: Error) => {};
    const socket: DatagramSocket = {
      addr: { transport: "udp", hostname: "192.0.2.9", port },
      receive() {
        const next = script.shift();
        if (next instanceof Error) return Promise.reject(next);
        if (next !== undefined) return Promise.resolve([Uint8Array.of(next), from]);
        return new Promise((_, reject) => end = reject);
      },
      send: (bytes) => Promise.resolve(bytes.length),
      close() {
        closed.push(index);
        end(new Deno.errors.Interrupted("closed"));
      },
    };
    return socket;
  };
  return { open, closed, opened: () => opened };
}

/** A burst of errors takes that many rounds. */
const settleAll = () => settle(500);

function start(scripts: Script[], refuseOpens: number[] = []) {
  const time = createTestTime();
  const sockets = scripted(scripts, refuseOpens);
  const log: string[] = [];
  const received: number[] = [];
  const events = {
    datagram: (bytes: Uint8Array) => void received.push(bytes[0]),
    receiveFailed: () => void log.push("failed"),
    missing: () => void log.push("missing"),
    lost: () => void log.push("lost"),
    opened: () => void log.push("opened"),
  };
  const listeners = new Listeners(["192.0.2.9"], 99, events, time, sockets.open);
  return { time, listeners, log, received, ...sockets };
}

const reset = new Deno.errors.ConnectionReset("10054");

Deno.test("A listener survives 1,000 errors among datagrams on the same socket", async () => {
  const script = Array.from({ length: 1_000 }, (_, i) => [reset, i & 255]).flat();
  const { listeners, log, received, opened } = start([script]);
  for (let i = 0; i < 20; i++) await settleAll();
  assert.equal(received.length, 1_000);
  assert.equal(log.length, 1_000);
  assert.equal(opened(), 1);
  listeners.stop();
});

Deno.test("A listener pauses longer and longer when errors repeat, then reopens", async () => {
  const { time, listeners, log, received, opened, closed } = start([Array(100).fill(reset), [7]]);
  await settleAll();
  assert.equal(log.length, 17);
  const before = time.monotonic();
  while (opened() === 1) {
    time.pass(1);
    await settleAll();
  }
  // 1 + 2 + 4 + … + 256 ms of pauses.
  assert.equal(time.monotonic() - before, 511);
  assert.deepEqual(log.slice(-2), ["lost", "opened"]);
  assert.deepEqual(closed, [0]);
  assert.deepEqual(received, [7]);
  listeners.stop();
});

Deno.test("A listener reopens at once what was closed under it", async () => {
  const { listeners, log, received } = start([[new Deno.errors.BadResource("closed")], [7]]);
  await settleAll();
  assert.deepEqual(log, ["lost", "opened"]);
  assert.deepEqual(received, [7]);
  listeners.stop();
});

Deno.test("A listener tries to reopen until it works", async () => {
  const { time, listeners, log, received, opened } = start(
    [[new Deno.errors.BadResource("closed")], [], [], [], [7]],
    [1, 2, 3],
  );
  await settleAll();
  assert.deepEqual(log, ["lost"]);
  const to = { ...from, local: "192.0.2.9" };
  await assert.rejects(listeners.send(new Uint8Array(1), to), /opened again/);
  for (const ms of [100, 200, 400]) {
    time.pass(ms - 1);
    await settleAll();
    const before = opened();
    time.pass(1);
    await settleAll();
    assert.equal(opened(), before + 1);
  }
  assert.deepEqual(log, ["lost", "opened"]);
  assert.deepEqual(received, [7]);
  listeners.stop();
});

Deno.test("A listener says nothing after it was stopped, receiving, pausing or reopening", async () => {
  const scripts = [[], Array(20).fill(reset), [new Deno.errors.BadResource("closed")]];
  for (const script of scripts) {
    const { time, listeners, log, closed } = start([script], [1, 2]);
    await settleAll();
    const said = log.length;
    listeners.stop();
    await settleAll();
    time.pass(60_000);
    await settleAll();
    assert.equal(log.length, said);
    assert.deepEqual(closed, [0]);
    assert.equal(time.timers, 0);
  }
});

Deno.test("Listeners moved while one tries to reopen listen there", async () => {
  const { time, listeners, log, received } = start(
    [[new Deno.errors.BadResource("closed")], [], [7]],
    [1],
  );
  await settleAll();
  await listeners.move(["192.0.2.9"], 100);
  await settleAll();
  assert.equal(listeners.port, 100);
  assert.deepEqual([log, received, time.timers], [["lost"], [7], 0]);
  listeners.stop();
});

const loopback = "127.0.0.1";

/** Listeners on a real socket, and what they have received. */
function startReal() {
  const received: string[] = [];
  let wake = () => {};
  const events = {
    datagram(bytes: Uint8Array) {
      received.push(new TextDecoder().decode(bytes));
      wake();
    },
    receiveFailed: (error: unknown) => assert.fail(String(error)),
    missing: () => assert.fail("missing"),
    lost: () => assert.fail("lost"),
    opened() {},
  };
  const listeners = new Listeners([loopback], 0, events, systemTime, openUdpSocket);
  const arrived = (text: string) =>
    new Promise<void>((resolve) => {
      wake = () => {
        if (received.includes(text)) resolve();
      };
      wake();
    });
  return { listeners, arrived };
}

async function sendTo(port: number, text: string): Promise<void> {
  const socket = openUdpSocket(loopback, 0);
  const to = { transport: "udp", hostname: loopback, port } as const;
  await socket.send(new TextEncoder().encode(text), to);
  socket.close();
}

Deno.test("Listeners move from one address to all on the same port, real sockets", async () => {
  const { listeners, arrived } = startReal();
  const { port } = listeners;
  await listeners.move(["0.0.0.0"], port);
  assert.deepEqual([listeners.addresses, listeners.port], [["0.0.0.0"], port]);
  await sendTo(port, "one");
  await arrived("one");
  listeners.stop();
});

Deno.test("Listeners take the old place back when the same port is held elsewhere", async () => {
  const { listeners, arrived } = startReal();
  const { port } = listeners;
  const other = openUdpSocket("127.0.0.2", port);
  // 0.0.0.0 collides with both; the own one is given up first.
  await assert.rejects(() => listeners.move(["0.0.0.0"], port), Deno.errors.AddrInUse);
  assert.deepEqual(listeners.addresses, ["127.0.0.1"]);
  await sendTo(port, "back");
  await arrived("back");
  other.close();
  listeners.stop();
});
