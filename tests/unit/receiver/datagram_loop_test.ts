/**
 * The loop against a socket that fails on command: the errors it must survive can't be had from a
 * real one here. Moving and reopening is also tested on real sockets.
 */
import assert from "node:assert/strict";
import {
  DatagramLoop,
  type DatagramSocket,
  type OpenSocket,
  openUdpSocket,
} from "../../../lib/receiver/datagram_loop.ts";
import { systemTime } from "../../../lib/time.ts";
import { createTestTime, settle as settleRounds } from "../../support/test_time.ts";

const from = { transport: "udp", hostname: "192.0.2.1", port: 5 } as const;

/** What a scripted socket's next receive does: a byte to receive, or an error. */
type Script = (number | Error)[];

/** Sockets that follow scripts, one each; then they wait until closed. */
function scripted(scripts: Script[], refuseOpens: number[] = []) {
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
const settle = () => settleRounds(500);

function start(scripts: Script[], refuseOpens: number[] = []) {
  const time = createTestTime();
  const sockets = scripted(scripts, refuseOpens);
  const log: string[] = [];
  const received: number[] = [];
  const loop = new DatagramLoop(
    "192.0.2.9",
    99,
    {
      datagram: (bytes) => void received.push(bytes[0]),
      receiveFailed: () => void log.push("failed"),
      lost: () => void log.push("lost"),
      opened: () => void log.push("opened"),
    },
    time,
    sockets.open,
  );
  loop.open();
  return { time, loop, log, received, ...sockets };
}

const reset = new Deno.errors.ConnectionReset("10054");

Deno.test("DatagramLoop survives 1,000 errors among datagrams on the same socket", async () => {
  const script = Array.from({ length: 1_000 }, (_, i) => [reset, i & 255]).flat();
  const { loop, log, received, opened } = start([script]);
  for (let i = 0; i < 20; i++) await settle();
  assert.equal(received.length, 1_000);
  assert.equal(log.length, 1_000);
  assert.equal(opened(), 1);
  loop.stop();
});

Deno.test("DatagramLoop pauses longer and longer when errors repeat, then reopens", async () => {
  const { time, loop, log, received, opened, closed } = start([Array(100).fill(reset), [7]]);
  await settle();
  assert.equal(log.length, 17);
  const before = time.monotonic();
  while (opened() === 1) {
    time.pass(1);
    await settle();
  }
  // 1 + 2 + 4 + … + 256 ms of pauses.
  assert.equal(time.monotonic() - before, 511);
  assert.deepEqual(log.slice(-2), ["lost", "opened"]);
  assert.deepEqual(closed, [0]);
  assert.deepEqual(received, [7]);
  loop.stop();
});

Deno.test("DatagramLoop reopens at once what was closed under it", async () => {
  const { loop, log, received } = start([[new Deno.errors.BadResource("closed")], [7]]);
  await settle();
  assert.deepEqual(log, ["lost", "opened"]);
  assert.deepEqual(received, [7]);
  loop.stop();
});

Deno.test("DatagramLoop tries to reopen until it works", async () => {
  const { time, loop, log, received, opened } = start(
    [[new Deno.errors.BadResource("closed")], [], [], [], [7]],
    [1, 2, 3],
  );
  await settle();
  assert.deepEqual(log, ["lost"]);
  await assert.rejects(loop.send(new Uint8Array(1), from), /opened again/);
  for (const ms of [100, 200, 400]) {
    time.pass(ms - 1);
    await settle();
    const before = opened();
    time.pass(1);
    await settle();
    assert.equal(opened(), before + 1);
  }
  assert.deepEqual(log, ["lost", "opened"]);
  assert.deepEqual(received, [7]);
  loop.stop();
});

Deno.test("DatagramLoop says nothing after it was stopped, pausing or not", async () => {
  for (const script of [[], Array(20).fill(reset)]) {
    const { time, loop, log, closed } = start([script]);
    await settle();
    const said = log.length;
    loop.stop();
    await settle();
    time.pass(10_000);
    await settle();
    assert.equal(log.length, said);
    assert.deepEqual(closed, [0]);
    assert.equal(time.timers, 0);
  }
});

Deno.test("DatagramLoop stops while it tries to reopen", async () => {
  const { time, loop, log, opened } = start(
    [[new Deno.errors.BadResource("closed")]],
    [1, 2, 3, 4],
  );
  await settle();
  loop.stop();
  await settle();
  time.pass(60_000);
  await settle();
  assert.deepEqual(log, ["lost"]);
  assert.equal(opened(), 2);
  assert.equal(time.timers, 0);
});

Deno.test("DatagramLoop moved while it tries to reopen is reopened there", async () => {
  const { time, loop, log, received } = start(
    [[new Deno.errors.BadResource("closed")], [], [7]],
    [1],
  );
  await settle();
  await loop.move("192.0.2.9", 100);
  time.pass(100);
  await settle();
  assert.equal(loop.port, 100);
  assert.deepEqual(log, ["lost", "opened"]);
  assert.deepEqual(received, [7]);
  loop.stop();
});

/** A loop on a real socket, and what it received so far. */
function startReal(address: string, port = 0) {
  const received: string[] = [];
  let wake = () => {};
  const loop = new DatagramLoop(
    address,
    port,
    {
      datagram(bytes) {
        received.push(new TextDecoder().decode(bytes));
        wake();
      },
      receiveFailed: (error) => assert.fail(String(error)),
      lost: (error) => assert.fail(String(error)),
      opened() {},
    },
    systemTime,
    openUdpSocket,
  );
  loop.open();
  const arrived = (text: string) =>
    new Promise<void>((resolve) => {
      wake = () => {
        if (received.includes(text)) resolve();
      };
      wake();
    });
  return { loop, received, arrived };
}

async function sendTo(hostname: string, port: number, text: string): Promise<void> {
  const socket = openUdpSocket(hostname, 0);
  await socket.send(new TextEncoder().encode(text), { transport: "udp", hostname, port });
  socket.close();
}

Deno.test("DatagramLoop moves from one address to all on the same port, real sockets", async () => {
  const { loop, arrived } = startReal("127.0.0.1");
  const { port } = loop;
  await loop.move("0.0.0.0", port);
  assert.deepEqual([loop.address, loop.port], ["0.0.0.0", port]);
  await sendTo("127.0.0.1", port, "one");
  await arrived("one");
  loop.stop();
});

Deno.test("DatagramLoop takes the old place back when the same port is held elsewhere", async () => {
  const { loop, arrived } = startReal("127.0.0.1");
  const { port } = loop;
  const other = openUdpSocket("127.0.0.2", port);
  // 0.0.0.0 collides with both; the loop gives up its own first.
  await assert.rejects(() => loop.move("0.0.0.0", port), Deno.errors.AddrInUse);
  assert.equal(loop.address, "127.0.0.1");
  await sendTo("127.0.0.1", port, "back");
  await arrived("back");
  other.close();
  loop.stop();
});
