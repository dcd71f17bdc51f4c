/** Real wires that lose, delay, reorder, double and cut datagrams. */
import assert from "node:assert/strict";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { deviations, independentReach } from "../load/loss_model.ts";
import { loseOnWire } from "../load/lossy_wire.ts";
import { startRelay } from "../load/unruly_relay.ts";
import { run } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import { openSegment } from "./chain.ts";

Deno.test("exchange() reaches over a wire that loses half what theory says", async () => {
  const { trials, reached } = await loseOnWire(500, 100);
  const sigma = deviations(reached, trials, independentReach(0.5, 5));
  // Once in a million runs it is further off by chance.
  assert.ok(Math.abs(sigma) <= 5, `${reached} of ${trials}, ${sigma.toFixed(1)} sigma`);
});

Deno.test("one request in copies that are late, out of order and doubled is one flush", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const service = await host.serve();
  await host.goStale();
  const to = { transport: "udp", hostname: "192.0.2.100", port: defaultPort } as const;
  using relay = startRelay(to, { delayMostMs: 3_000, deliveries: 2 });
  const { code, stdout, stderr } = await segment.send(
    ...["-i", "100ms", "-w", "7s", "-p", String(relay.port), "-A", "192.0.2.1", "127.0.0.1"],
  );
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^host0 .* healed$/m);
  assert.equal(relay.delivered, 10);
  const flushes = service.log.filter((line) => /Flushed all for (?!the start)/.test(line));
  assert.equal(flushes.length, 1, flushes.join("\n"));
});

Deno.test("a request of 61 addresses comes through in fragments", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve();
  await ip(null, ["route change 192.0.2.0/24 dev br0 mtu lock 576"]);
  const before = await fragmentsMade();
  const addresses = Array.from({ length: 61 }, (_, i) => ["-A", `192.0.2.${i + 1}`]).flat();
  const { code, stdout, stderr } = await segment.send(
    ...["--only", "--no-verify", "-c", "1", "192.0.2.100", ...addresses],
  );
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^host0 /m);
  assert.equal(await fragmentsMade() - before, 3);
});

/** Fragments that this namespace has cut datagrams into. */
async function fragmentsMade(): Promise<number> {
  const text = await run(["cat", "/proc/net/snmp"]);
  const [names, values] = text.split("\n").filter((line) => line.startsWith("Ip:"));
  return Number(values.split(" ")[names.split(" ").indexOf("FragCreates")]);
}
