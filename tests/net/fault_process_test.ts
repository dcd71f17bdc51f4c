/** A service that is starved or hurt: the next genuine request is flushed and acknowledged. */
import assert from "node:assert/strict";
import { run, until } from "../support/command.ts";
import { readProcessState } from "../support/linux.ts";
import type { ServiceProcess } from "../support/programs.ts";
import { heals, type Host, openSegment, type Segment } from "./chain.ts";
import { type FaultyHost, openFaultyHost } from "./faulty_host.ts";

/** Runs a test on a segment with one host, whose service can be hurt. */
async function withFaultyHost(
  name: string,
  body: (faulty: FaultyHost, segment: Segment, host: Host) => Promise<void>,
): Promise<void> {
  await using segment = await openSegment();
  const host = await segment.host();
  await using faulty = await openFaultyHost(host, name);
  await body(faulty, segment, host);
}

/** A single copy is sent to a host that can't flush: it says so, and doesn't die. */
async function fails(segment: Segment, error = "\\d+", wait = "2s"): Promise<void> {
  const { code, stdout } = await segment.send("-a", "--expect", "1", "-c", "1", "-w", wait);
  assert.equal(code, 3, stdout);
  assert.match(stdout, new RegExp(`^host0 .* FAILED, error ${error}$`, "m"));
}

async function started(service: ServiceProcess): Promise<void> {
  await service.line(/Started/);
}

/** What becomes of `ip`, the error that the sender is told, and what the log says. */
const broken: readonly (readonly [
  what: string,
  script: string | null,
  error: string,
  said: RegExp,
  wait?: string,
])[] = [
  ["is missing", null, "2", /Cannot flush all for .*Cannot run "ip"/],
  ["is killed half-way", "kill -KILL $$", "5", /Cannot flush all for .*Cannot run "ip"/],
  ["hangs", "exec sleep 1234", "110", /Cannot flush all for .*did not end within 5000 ms/, "14s"],
];
for (const [what, script, error, said, wait] of broken) {
  Deno.test(`service.ts survives an ip that ${what}, and leaves no process`, () =>
    withFaultyHost("broken", async (faulty, segment, host) => {
      await using service = await faulty.startService();
      await started(service);
      await host.goStale();
      await faulty.replaceIp(script);
      await fails(segment, error, wait);
      await service.line(said);
      assert.doesNotMatch(await run(["ps", "-e", "-o", "args="]), /sleep 1234/);
      await faulty.replaceIp(faulty.workingIp);
      await heals(segment, host);
    }));
}

Deno.test("service.ts survives running out of file descriptors", () =>
  withFaultyHost("descriptors", async (faulty, segment, host) => {
    await using service = await faulty.startService();
    await started(service);
    const pid = await faulty.pid();
    const { descriptors } = await readProcessState(pid);
    const limit = (count: number) => run(["prlimit", `--pid=${pid}`, `--nofile=${count}:`]);
    // Those that it has are left to it; there is not one more.
    await limit(3);
    await fails(segment);
    await service.line(/Cannot flush all for .*: .*Too many open files/);
    await limit(1_024);
    await heals(segment, host);
    assert.ok((await readProcessState(pid)).descriptors <= descriptors + 1);
  }));

Deno.test("service.ts flushes when it starts again after it was killed in the middle of a flush", () =>
  withFaultyHost("middle", async (faulty, segment, host) => {
    const first = await faulty.startService(["FlushOnStart = false"]);
    await started(first);
    await host.goStale();
    await faulty.replaceIp("echo $$ > /run/faulty-middle/flushing; exec sleep 30");
    const sending = segment.send("-a", "--expect", "1", "-i", "500ms", "-c", "20");
    const isFlushing = () =>
      Deno.stat("/run/faulty-middle/flushing").then(({ size }) => size > 0, () => false);
    await until(isFlushing, "a flush has begun");
    await first.stop("SIGKILL");
    // What it was running lives on, and would hold the namespace.
    Deno.kill(Number(await Deno.readTextFile("/run/faulty-middle/flushing")), "SIGKILL");
    await faulty.replaceIp(faulty.workingIp);
    await using second = await faulty.startService();
    await started(second);
    await second.line(/Flushed all for the start of the service/);
    // The request was created before the second start: the sender repeats it by the host's clock.
    const { code, stdout } = await sending;
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^host0 .* healed$/m);
  }));

Deno.test("service.ts serves with its log on a full disk, and with a closed one", async (test) => {
  for (const [what, redirection] of [["full", "2>/dev/full"], ["closed", "2>&-"]]) {
    await test.step(what, () =>
      withFaultyHost(what, async (faulty, segment, host) => {
        await using _service = await faulty.startService([], { redirection });
        await heals(segment, host);
        await heals(segment, host);
      }));
  }
});

Deno.test("service.ts serves while the folder of its log is gone and its file system is full", () =>
  withFaultyHost("log", async (faulty, segment, host) => {
    const folder = "/run/small";
    await Deno.mkdir(folder);
    await run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]);
    try {
      await Deno.mkdir(`${folder}/log`);
      await using _service = await faulty.startService([], {
        redirection: `2>>${folder}/log/arpflush.log`,
      });
      await heals(segment, host);
      const log = await Deno.readTextFile(`${folder}/log/arpflush.log`);
      assert.match(log, /Flushed all for /);
      await Deno.remove(`${folder}/log`, { recursive: true });
      await run(["sh", "-c", `cat /dev/zero > ${folder}/filler || true`]);
      await heals(segment, host);
    } finally {
      await run(["umount", "-l", folder]);
    }
  }));
