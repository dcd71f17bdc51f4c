/**
 * The lab's measure on a host: a datagram to the virtual address every 10 ms. A line for each
 * answer says when it came, in ms of Unix time. Within the program the times come from one monotonic
 * clock; only its origin is read from the wall clock, once.
 *
 * Started as `deno run --unstable-net --allow-net prober.ts ADDRESS PORT`; imports nothing, because
 * the lab runs a copy.
 */
const intervalMs = 10;
const [hostname, port] = Deno.args;
const target: Deno.Addr = { transport: "udp", hostname, port: Number(port) };
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
const encoder = new TextEncoder();

async function send(): Promise<void> {
  const start = performance.now();
  for (let number = 0;; number++) {
    const wait = start + number * intervalMs - performance.now();
    await new Promise((resolve) => setTimeout(resolve, wait));
    // No route or no neighbor is an unanswered probe like any other.
    socket.send(new Uint8Array(8), target).catch(() => {});
  }
}

async function receive(): Promise<void> {
  for (;;) {
    if (await socket.receive().then(() => true, () => false)) {
      const at = performance.timeOrigin + performance.now();
      Deno.stdout.writeSync(encoder.encode(`${at.toFixed(3)}\n`));
    }
  }
}

await Promise.all([send(), receive()]);
