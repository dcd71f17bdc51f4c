/** Asking as the router's daemon does it, and beside a service: one report of both kinds of hosts. */
import assert from "node:assert/strict";
import { outcomeOf, run, until } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import { programLine } from "../support/programs.ts";
import { deadMac, folder, isRight, openSegment, routerMac } from "./chain.ts";

const fifo = `${folder}/notify.fifo`;
const virtualAddress = "192.0.2.1";
const known = "/var/lib/arpflush-router/hosts";
await Deno.mkdir("/run/arpflush-router", { recursive: true });
await run(["mount", "-n", "-t", "tmpfs", "tmpfs", "/var/lib"]);
await Deno.mkdir("/var/lib/arpflush-router");

const write = (text: string) => run(["sh", "-c", 'printf %s "$1" > "$2"', "sh", text, fifo]);

Deno.test("arpflush -a --ask reports hosts with and without a service together", async () => {
  await using segment = await openSegment();
  const [served, plain, permanent] = [
    await segment.host(),
    await segment.host(),
    await segment.host(),
  ];
  await served.serve();
  for (const host of [served, plain]) await host.goStale();
  const entry = `neigh replace ${virtualAddress} lladdr ${deadMac} nud permanent dev e0`;
  await ip(permanent.namespace, [entry]);
  const expected = `${folder}/expected`;
  await Deno.writeTextFile(expected, "host0\nprinter 192.0.2.101\ncamera 192.0.2.102\n");
  const options = [
    "-c",
    "2",
    "-i",
    "100ms",
    "-w",
    "1s",
    "-k",
    `${folder}/key`,
    "-A",
    virtualAddress,
  ];
  const ask = ["--ask", "--pace", "1000", "--expect", expected];
  const outcome = await outcomeOf(programLine("router", ["-a", ...options, ...ask]));
  const [heading, ...lines] = outcome.stdout.trim().split("\n");
  assert.match(heading, /^HOST +ADDRESS +MS +REMOVED +STATE$/);
  assert.match(
    lines[0],
    new RegExp(`^camera +192.0.2.102 .* STUCK ${virtualAddress} at ${deadMac}$`),
  );
  assert.match(lines[1], /^host0 +192\.0\.2\.100 .* healed$/);
  assert.match(lines[2], /^printer +192\.0\.2\.101 +\d+ +- +healed$/);
  assert.match(lines[3], /1 host answered, 2 hosts were asked: 2 healed, 1 STUCK; camera STUCK/);
  assert.equal(lines.length, 4, outcome.stdout + outcome.stderr);
  assert.equal(outcome.code, 3);
  await isRight(served, virtualAddress);
  assert.equal(await plain.linkLayerAddressOf(virtualAddress), routerMac);
});

Deno.test("arpflush --follow --ask heals hosts that run no service, and remembers whom it hears", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await ip(null, [`addr del ${virtualAddress} dev br0`]);
  await host.goStale();
  await run(["mkfifo", "-m", "600", fifo]);
  const daemon = segment.follow(fifo, "--ask", "--pace", "1000");
  await daemon.line(/Following/);
  await daemon.line(/: Probe: /);
  // While it is backup, a host broadcasts: for somebody who isn't there.
  await outcomeOf([...host.namespace.argv, "ping", "-c", "1", "-W", "1", "192.0.2.77"]);
  await ip(null, [`addr add ${virtualAddress} dev br0`]);
  await write('INSTANCE "lan" MASTER 100\n');
  const entry = () => host.linkLayerAddressOf(virtualAddress);
  await until(async () => await entry() === routerMac, "a host that is healed");
  await daemon.line(/Flush: .*1 host was asked: 1 healed/);
  assert.equal(await daemon.stop(), 0);
  assert.match(await Deno.readTextFile(known), /^192\.0\.2\.100 \S+ br0 \S+Z$/m);
});

Deno.test("arpflush --follow --ask asks nobody any more when the address has left", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await ip(null, [`addr del ${virtualAddress} dev br0`]);
  await host.goStale();
  const expected = `${folder}/expected`;
  await Deno.writeTextFile(expected, "printer 192.0.2.100\n");
  await run(["mkfifo", "-m", "600", fifo]);
  const daemon = segment.follow(fifo, "--ask", "--pace", "20", "--expect", expected);
  await daemon.line(/Following/);
  await ip(null, [`addr add ${virtualAddress} dev br0`]);
  await write('INSTANCE "lan" MASTER 100\n');
  const entry = () => host.linkLayerAddressOf(virtualAddress);
  await until(async () => await entry() === routerMac, "a host that is healed, the first of many");
  await ip(null, [`addr del ${virtualAddress} dev br0`]);
  await write('INSTANCE "lan" BACKUP 100\n');
  await daemon.line(
    /252 hosts were asked: 251 not asked, 1 healed; ended early: 192\.0\.2\.1 has left br0/,
  );
  assert.equal(await daemon.stop(), 0);
});
