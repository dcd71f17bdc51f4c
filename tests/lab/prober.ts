/**
 * Programs of the lab that run on its routers and hosts, started as `deno run --unstable-net
 * --allow-net prober.ts echo|probe ADDRESS PORT`. It imports nothing, because the lab runs a copy.
 *
 *   echo   on a router: sends each datagram back from the virtual address
 *   probe  on a host: sends a datagram every 10 ms, and prints for each answer when it came, in ms of
 *          Unix time by a monotonic clock whose origin was read from the wall clock once
 */
const intervalMs = 10;
const [role, hostname, port] = Deno.args;
const address = { transport: "udp", hostname, port: Number(port) } as const;

async function echo(): Promise<never> {
  const socket = Deno.listenDatagram(address);
  for (;;) {
    try {
      const [bytes, from] = await socket.receive();
      await socket.send(bytes, from);
    } catch (error) {
      // The link is down: the next datagram comes when it is up again.
      console.error(String(error));
    }
  }
}

async function send(socket: Deno.DatagramConn): Promise<never> {
  const start = performance.now();
  for (let number = 0;; number++) {
    const wait = start + number * intervalMs - performance.now();
    await new Promise((resolve) => setTimeout(resolve, wait));
    // No route or no neighbor is an unanswered probe like any other.
    socket.send(new Uint8Array(8), address).catch(() => {});
  }
}

async function receive(socket: Deno.DatagramConn): Promise<never> {
  const encoder = new TextEncoder();
  for (;;) {
    if (await socket.receive().then(() => true, () => false)) {
      const at = performance.timeOrigin + performance.now();
      Deno.stdout.writeSync(encoder.encode(`${at.toFixed(3)}\n`));
    }
  }
}

if (role === "echo") await echo();
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
await Promise.all([send(socket), receive(socket)]);
