/** Networks that change under the service, and wires that delay, reorder, double and cut datagrams. */
import assert from "node:assert/strict";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { readNetworkCounter } from "../support/linux.ts";
import { ip, plug } from "../support/namespaces.ts";
import { heals, openFaultyHost, openSegment } from "./chain.ts";

/** The service may have read its addresses a second ago. */
const slowly = ["-i", "500ms"] as const;

Deno.test("service.ts hears an interface that was removed and came back", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const service = await host.serve();
  await host.goStale();
  await ip(null, ["link del p0"]);
  const addresses = ["192.0.2.100/24", "2001:db8::100/64"];
  await plug({ namespace: host.namespace, name: "e0", addresses }, "p0", "br0");
  await heals(segment, host, ...slowly);
  assert.equal(service.log.filter((line) => /Started/.test(line)).length, 1);
});

Deno.test("service.ts follows its host to another address and network", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve();
  await heals(segment, host, ...slowly);
  await ip(null, ["addr flush dev br0", "addr add 198.51.100.2/24 dev br0"]);
  await ip(host.namespace, ["addr flush dev e0", "addr add 198.51.100.100/24 dev e0"]);
  const { code, stdout, stderr } = await segment.send("-a", "--expect", "1", ...slowly);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^host0 +198\.51\.100\.100 /m);
});

Deno.test("service.ts says that its port is taken, and takes it when it is free", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const holder = await host.serve();
  await using faulty = await openFaultyHost(host, "port");
  await using service = await faulty.startService();
  await service.line(/Cannot listen on 0\.0\.0\.0 port 27735 yet: .*trying again/);
  await holder.stop();
  await service.line(/Started/);
  await heals(segment, host, ...slowly);
});

/** Starts a relay to a service that delivers each datagram twice, each after 0 to 3 s. */
function openRelay(service: Deno.NetAddr) {
  const open = () => Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const [front, back] = [open(), open()];
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let sender: Deno.Addr | null = null;
  let delivered = 0;
  function deliver(socket: Deno.DatagramConn, bytes: Uint8Array, to: Deno.Addr): void {
    for (let i = 0; i < 2; i++) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        if (to === service) delivered++;
        socket.send(bytes, to).catch(() => {});
      }, Math.random() * 3_000);
      timers.add(timer);
    }
  }
  (async () => {
    for await (const [bytes, from] of front) {
      sender = from;
      deliver(back, bytes, service);
    }
  })();
  (async () => {
    for await (const [bytes] of back) if (sender !== null) deliver(front, bytes, sender);
  })();
  return {
    port: (front.addr as Deno.NetAddr).port,
    delivered: () => delivered,
    [Symbol.dispose]() {
      timers.forEach(clearTimeout);
      front.close();
      back.close();
    },
  };
}

Deno.test("one request in copies that are late, out of order and doubled is one flush", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const service = await host.serve();
  await host.goStale();
  const to = { transport: "udp", hostname: "192.0.2.100", port: defaultPort } as const;
  using relay = openRelay(to);
  const { code, stdout, stderr } = await segment.send(
    ...["-i", "100ms", "-w", "7s", "-p", String(relay.port), "-A", "192.0.2.1", "127.0.0.1"],
  );
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^host0 .* healed$/m);
  assert.equal(relay.delivered(), 10);
  const flushes = service.log.filter((line) => /Flushed all for (?!the start)/.test(line));
  assert.equal(flushes.length, 1, flushes.join("\n"));
});

Deno.test("a request of 55 addresses comes through in fragments", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve();
  await ip(null, ["route change 192.0.2.0/24 dev br0 mtu lock 576"]);
  const before = await readNetworkCounter("Ip", "FragCreates");
  const addresses = Array.from({ length: 55 }, (_, i) => ["-A", `192.0.2.${i + 1}`]).flat();
  const { code, stdout, stderr } = await segment.send(
    ...["--only", "--no-verify", "-c", "1", "192.0.2.100", ...addresses],
  );
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^host0 /m);
  assert.equal(await readNetworkCounter("Ip", "FragCreates") - before, 3);
});
