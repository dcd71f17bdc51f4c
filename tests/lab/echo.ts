/**
 * The lab's answer on a router: sends back each datagram to the virtual address, from that address.
 * Started as `deno run --unstable-net --allow-net echo.ts ADDRESS PORT`; imports nothing, because
 * the lab runs a copy.
 */
const [hostname, port] = Deno.args;
const socket = Deno.listenDatagram({ transport: "udp", hostname, port: Number(port) });
for (;;) {
  try {
    const [bytes, from] = await socket.receive();
    await socket.send(bytes, from);
  } catch (error) {
    // The link is down: the next datagram comes when it is up again.
    console.error(String(error));
  }
}
