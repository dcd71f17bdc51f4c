/** What floods are sent and judged by: the flood program and the kernel's count of full sockets. */
import assert from "node:assert/strict";
import { runFlood } from "../load/floods.ts";
import { fullSockets } from "../load/full_sockets.ts";
import { datagramFile } from "../measure/datagrams.ts";
import { compilePeers, runWith } from "../measure/peers.ts";

const peers = await compilePeers();
Deno.test.afterAll(async () => await peers[Symbol.asyncDispose]());
const ignore = peers.program("flood") === null;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const asked = [[1, 2, 3], [4, 5], [1, 2, 3]];

/**
 * Floods a socket that answers the asker, who asks at three times; what came from it, and behind
 * how many others. `before` is a program that starts the flood's.
 */
async function askInFlood(
  rate: number,
  seconds: number,
  [first, second, third]: readonly number[],
  ...before: readonly string[]
) {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const came: number[][] = [];
  const places: number[] = [];
  let others = 0;
  async function answer(): Promise<void> {
    for await (const [bytes, from] of socket) {
      const { hostname } = from as Deno.NetAddr;
      if (hostname === "127.0.0.2") {
        others++;
        continue;
      }
      assert.equal(hostname, "127.0.0.3");
      came.push([...bytes]);
      places.push(others);
      await socket.send(bytes.toReversed(), from).catch(() => {});
    }
  }
  const answering = answer();
  const { port } = socket.addr as Deno.NetAddr;
  const line = [peers.program("flood") ?? "", "127.0.0.1", ...[port, rate, seconds].map(String)];
  const tries = [
    { request: Uint8Array.from(asked[0]), timesMs: [first, third] },
    { request: Uint8Array.from(asked[1]), timesMs: [second] },
  ];
  const junk = [new Uint8Array(100), new Uint8Array(7)];
  const figures = await runFlood([...before, ...line, "127.0.0.2", "127.0.0.3"], junk, tries);
  await sleep(100);
  socket.close();
  await answering;
  assert.deepEqual(came, asked);
  return { ...figures, places, others };
}

Deno.test("flood.c asks in the midst of its flood and prints the answers", { ignore }, async () => {
  const { sent, ns, answers, others } = await askInFlood(500, 1, [200, 400, 600]);
  assert.deepEqual(answers.map((bytes) => [...bytes]), asked.map((bytes) => bytes.toReversed()));
  assert.equal(sent, others);
  assert.ok(sent >= 499 && sent <= 502, `${sent} sent`);
  assert.ok(ns >= 0.99e9, `${ns} ns`);
});

Deno.test("flood.c asks between the two datagrams of a batch that have the time", {
  ignore,
}, async () => {
  // Few enough for the socket to hold them all, whoever else wants the processor.
  const { places } = await askInFlood(50_000, 0.004, [1, 2, 3]);
  assert.deepEqual(places, [50, 100, 150]);
});

Deno.test("flood.c doesn't make up for a time in which it can't run", { ignore }, async () => {
  const stop = 'exec 3<&0; "$@" <&3 & sleep 0.3; kill -STOP $!; sleep 0.6; kill -CONT $!; wait $!';
  const { sent, ns } = await askInFlood(500, 1, [200, 400, 600], "sh", "-c", stop, "sh");
  assert.ok(sent >= 499 && sent <= 502, `${sent} sent`);
  assert.ok(ns >= 1.55e9, `${ns} ns`);
});

Deno.test("flood.c owes no more than a batch, however long one takes", { ignore }, async () => {
  // No batch of 64 is sent in the microsecond that it has at this rate. All are due within 1 ms: what
  // time alone would allow is some thousand of them.
  const junk = [new Uint8Array(7)];
  const line = [peers.program("flood") ?? "", "127.0.0.1", "9", "64000000", "0.001"];
  const { sent } = await runFlood(line, junk, []);
  assert.ok(sent > 60_000 && sent <= 64_064, `${sent} sent`);
});

Deno.test("flood.c stays on one processor", { ignore }, async () => {
  const look = 'exec 3<&0; "$@" <&3 & sleep 0.2; grep Cpus_allowed_list /proc/$!/status; wait $!';
  const line = [peers.program("flood") ?? "", "127.0.0.1", "9", "100", "0.4"];
  const shown = await runWith(["sh", "-c", look, "sh", ...line], datagramFile([new Uint8Array(7)]));
  assert.match(shown, /^Cpus_allowed_list:\t\d+$/m);
});

Deno.test("runFlood() rejects when the program fails or sends nothing", async () => {
  for (const line of [["false"], ["echo", "0 1000"]]) {
    await assert.rejects(runFlood(line, [], []), /^Error: Cannot flood by "/);
  }
});

Deno.test("fullSockets() counts what a socket had no room for", async () => {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const sender = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const before = await fullSockets([]);
  for (let i = 0; i < 1_000; i++) await sender.send(new Uint8Array(1_000), socket.addr);
  const dropped = await fullSockets([]) - before;
  let received = 0;
  const next = () => socket.receive().then(() => true, () => false);
  while (await Promise.race([next(), sleep(300).then(() => false)])) received++;
  socket.close();
  sender.close();
  assert.ok(received > 0);
  assert.equal(received + dropped, 1_000);
});
