/** Traffic: UDP to the addresses given, as fast as it goes, until this process is killed. */
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
const bytes = new Uint8Array(1);
for (;;) {
  for (const hostname of Deno.args) {
    // A datagram that the kernel refuses is one less.
    await socket.send(bytes, { transport: "udp", hostname, port: 9 }).catch(() => {});
  }
}
