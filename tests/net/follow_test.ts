/**
 * The router's daemon as a process: a real FIFO, real addresses, real hosts on the same wire, those that
 * run no service, too.
 */
import assert from "node:assert/strict";
import { outcomeOf, run, until } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import { programLine, type ServiceProcess } from "../support/programs.ts";
import { deadMac, entry, folder, isRight, openSegment, routerMac, type Segment } from "./chain.ts";

const fifo = `${folder}/notify.fifo`;
const virtualAddress = "192.0.2.1";
await Deno.mkdir("/run/arpflush-router", { recursive: true });
await run(["mount", "-n", "-t", "tmpfs", "tmpfs", "/var/lib"]);
await Deno.mkdir("/var/lib/arpflush-router");

const makeFifo = () => run(["mkfifo", "-m", "600", fifo]);
const write = (text: string) => run(["sh", "-c", 'printf %s "$1" > "$2"', "sh", text, fifo]);
const becomeMaster = async () => {
  await ip(null, [`addr add ${virtualAddress} dev br0`]);
  await write('INSTANCE "lan" MASTER 100\n');
};
const becomeBackup = () => ip(null, [`addr del ${virtualAddress} dev br0`]);

/** A segment whose router doesn't hold the virtual address, and a host that has it at a dead one's. */
async function openStaleSegment(): Promise<
  Segment & { linkLayerAddress(): Promise<string | null> }
> {
  const segment = await openSegment();
  await becomeBackup();
  const host = await segment.host();
  await host.serve();
  await host.goStale();
  return { ...segment, linkLayerAddress: () => host.linkLayerAddressOf(virtualAddress) };
}

const healed = /Flush: \d cop(y|ies) to 192\.0\.2\.255; 1 host answered: 1 healed/;
/** The reports of runs so far. */
const reports = ({ log }: ServiceProcess) => log.filter((line) => /: (Flush|Probe)[: ]/.test(line));
const flushed = (daemon: ServiceProcess) => daemon.log.filter((line) => /a flush on/.test(line));

Deno.test("arpflush --follow heals at the line, when the address has come", async () => {
  await using segment = await openStaleSegment();
  await makeFifo();
  // Lines of an earlier failover, up to the last byte that the pipe takes: nothing of them counts.
  const stale = 'INSTANCE "lan" MASTER 100\n'.repeat(2_520);
  const other = stale.replaceAll("lan", "wan").replaceAll("MASTER", "BACKUP");
  const filling = run(["sh", "-c", 'exec 3<>"$2"; printf %s "$1" >&3; sleep 5', "sh", stale, fifo]);
  const history = `${folder}/history.jsonl`;
  const daemon = segment.follow(fifo, "--history", history);
  await daemon.line(/Following/);
  await daemon.line(/: Probe: /);
  assert.deepEqual(flushed(daemon), []);
  await becomeMaster();
  await daemon.line(healed);
  assert.ok([null, routerMac].includes(await segment.linkLayerAddress()));
  assert.equal(reports(daemon).length, 2, daemon.log.join("\n"));
  await filling;
  // A line that finds no place in the pipe is lost, its address isn't.
  await becomeBackup();
  await write('INSTANCE "lan" BACKUP 100\n');
  await daemon.line(/is BACKUP: a flush on br0/);
  daemon.kill("SIGSTOP");
  await run(["sh", "-c", 'exec 3<>"$2"; printf %s "$1" >&3', "sh", other, fifo]);
  await ip(null, [`addr add ${virtualAddress} dev br0`]);
  daemon.kill("SIGCONT");
  await until(
    () => reports(daemon).filter((line) => healed.test(line)).length === 2,
    "a second run",
  );
  assert.equal(await daemon.stop(), 0);
  // The probe at the start is no drill.
  const kept = (await Deno.readTextFile(history)).trim().split("\n");
  assert.ok(kept.every((line) => JSON.parse(line).run === "failover"), kept.join("\n"));
});

// Where ip fails nobody knows whether that is another one's address: see lib/sender/own_ports.ts.
const failing = `${folder}/failing`;
const own = Deno.env.get("PATH") ?? "";
for (const [path, wrong] of [[own, "STUCK"], [`${failing}:${own}`, "unverified"]]) {
  Deno.test(`arpflush --follow heals at its start a host that is ${wrong}`, async () => {
    await using segment = await openStaleSegment();
    await makeFifo();
    await ip(null, [`addr add ${virtualAddress} dev br0`]);
    await Deno.mkdir(failing);
    await Deno.writeTextFile(`${failing}/ip`, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    Deno.env.set("PATH", path);
    const daemon = segment.follow(fifo);
    Deno.env.set("PATH", own);
    await daemon.line(new RegExp(`At the start something is wrong on br0: host0 ${wrong}`));
    await daemon.line(healed);
    assert.ok([null, routerMac].includes(await segment.linkLayerAddress()));
  });
}

Deno.test("arpflush --follow waits for its FIFO, and opens one that took its place", async () => {
  await using segment = await openStaleSegment();
  await Deno.writeTextFile(fifo, "a regular file");
  const daemon = segment.follow(fifo);
  await daemon.line(
    /Cannot follow "\/run\/arpflush\/notify\.fifo": it is not a FIFO; waiting for it/,
  );
  await Deno.remove(fifo);
  await daemon.line(/No such file or directory; waiting for it/);
  assert.ok(!daemon.log.some((line) => line.includes("Following")));
  await makeFifo();
  await daemon.line(/Following/);
  await Deno.remove(fifo);
  await daemon.line(/deleted or made anew: opening it again/);
  // The address comes in between, and its line is lost.
  await ip(null, [`addr add ${virtualAddress} dev br0`]);
  await makeFifo();
  await daemon.line(healed);
  await becomeBackup();
  await write('INSTANCE "lan" FAULT 100\n');
  await becomeMaster();
  await until(
    () => reports(daemon).filter((line) => healed.test(line)).length === 2,
    "a second run",
  );
});

Deno.test("arpflush --follow is the one reader of its FIFO, and answers scripts", async () => {
  await using segment = await openStaleSegment();
  await makeFifo();
  const script = () => segment.send("-a", "-c", "1", "-w", "1s", "--unless-following");
  assert.match((await script()).stdout, /^Flush: 1 copy/m);
  const daemon = segment.follow(fifo);
  await daemon.line(/Following/);
  const second = segment.follow(fifo);
  await second.line(/another process reads it/);
  assert.equal(await second.stop(), 1);
  await write("garbage\nmore\n");
  await daemon.line(/2 unknown lines, the last: more|1 unknown lines, the last: garbage/);
  const nothing = "arpflush: Nothing sent: a process that follows keepalived does it\n";
  assert.deepEqual(await script(), { code: 0, stdout: "", stderr: nothing });
  // Being asked is a bell, too: an address has come, and its line hasn't.
  await ip(null, [`addr add ${virtualAddress} dev br0`]);
  await script();
  await daemon.line(healed);
  // One that was killed leaves its socket behind, which answers nobody.
  await daemon.stop("SIGKILL");
  assert.match((await script()).stdout, /^Flush: 1 copy/m);
  const next = segment.follow(fifo);
  await next.line(/Following/);
  assert.equal((await script()).stderr, nothing);
  // Nor does one that hangs: the kernel takes the connection for it.
  next.kill("SIGSTOP");
  assert.match((await script()).stdout, /^Flush: 1 copy/m);
});

Deno.test("arpflush --follow sends nothing about an address that has left, and says why it ended", async () => {
  await using segment = await openStaleSegment();
  await makeFifo();
  const daemon = segment.follow(fifo, "-c", "50");
  await daemon.line(/: Probe: /);
  await becomeMaster();
  await until(async () => await segment.linkLayerAddress() === routerMac, "a host that is healed");
  await becomeBackup();
  await write('INSTANCE "lan" FAULT 100\n');
  // Of hosts nothing is said but what is good: not how many answered, nor who is missing.
  await daemon.line(
    /Flush: \d+ cop(y|ies) to [\d.]+; (1 healed; )?ended early: 192\.0\.2\.1 has left br0/,
  );
});

Deno.test("arpflush -a --ask reports hosts with and without a service together", async () => {
  await using segment = await openSegment();
  const served = await segment.host();
  const plain = await segment.host();
  const permanent = await segment.host();
  await served.serve();
  for (const host of [served, plain]) await host.goStale();
  await entry(permanent, virtualAddress, deadMac, "permanent");
  const expected = `${folder}/expected`;
  await Deno.writeTextFile(expected, "host0\nprinter 192.0.2.101\ncamera 192.0.2.102\n");
  const options = "-a -c 2 -i 100ms -w 1s --ask --pace 1000".split(" ");
  const rest = ["-k", `${folder}/key`, "-A", virtualAddress, "--expect", expected];
  const outcome = await outcomeOf(programLine("router", [...options, ...rest]));
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
  await becomeBackup();
  const host = await segment.host();
  await host.goStale();
  await makeFifo();
  const daemon = segment.follow(fifo, "--ask", "--pace", "1000");
  await daemon.line(/Following/);
  await daemon.line(/: Probe: /);
  // While it is backup, a host broadcasts: for somebody who isn't there.
  await outcomeOf([...host.namespace.argv, "ping", "-c", "1", "-W", "1", "192.0.2.77"]);
  await becomeMaster();
  const isHealed = async () => await host.linkLayerAddressOf(virtualAddress) === routerMac;
  await until(isHealed, "a host that is healed");
  await daemon.line(/Flush: .*1 host was asked: 1 healed/);
  assert.equal(await daemon.stop(), 0);
  assert.match(
    await Deno.readTextFile("/var/lib/arpflush-router/hosts"),
    /^192\.0\.2\.100 \S+ br0 \S+Z$/m,
  );
});

Deno.test("arpflush --follow --ask asks nobody any more when the address has left", async () => {
  await using segment = await openSegment();
  await becomeBackup();
  const host = await segment.host();
  await host.goStale();
  const expected = `${folder}/expected`;
  await Deno.writeTextFile(expected, "printer 192.0.2.100\n");
  await makeFifo();
  const daemon = segment.follow(fifo, "--ask", "--pace", "20", "--expect", expected);
  await daemon.line(/Following/);
  await becomeMaster();
  const isHealed = async () => await host.linkLayerAddressOf(virtualAddress) === routerMac;
  await until(isHealed, "a host that is healed, the first of many");
  await becomeBackup();
  await write('INSTANCE "lan" BACKUP 100\n');
  await daemon.line(
    /1 host was asked: 251 not asked, 1 healed; ended early: 192\.0\.2\.1 has left br0/,
  );
  assert.equal(await daemon.stop(), 0);
});
