/** A service that is starved or hurt: the next genuine request is flushed and acknowledged. */
import assert from "node:assert/strict";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { forged, junk, openRequestSocket, type RequestSocket } from "../measure/requests.ts";
import { pause, run, until } from "../support/command.ts";
import { readProcessState } from "../support/linux.ts";
import type { ServiceProcess } from "../support/programs.ts";
import {
  type FaultyHost,
  heals,
  type Host,
  isRight,
  keyFile,
  openFaultyHost,
  openSegment,
  type Segment,
} from "./chain.ts";

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

/** A service that can't say so listens. */
async function listens({ namespace }: Host): Promise<void> {
  const line = [...namespace.argv, "ss", "-Hlun", "sport", "=", `:${defaultPort}`];
  await until(async () => await run(line) !== "", "a service that listens");
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
        await listens(host);
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
      await listens(host);
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

/** The most memory that a service may have, in bytes. */
const limit = 128 * 2 ** 20;
/** More live ids than the replay window holds. */
const maxIds = 5_000;

/** A control group with a memory limit; disposing of it needs all of its processes to have ended. */
interface MemoryGroup extends AsyncDisposable {
  /** A shell command by which a process joins it. */
  readonly join: string;
  /** The most that was in use at once, in bytes. */
  peak(): Promise<number>;
}

/** Folder and file names of cgroup v1 and v2. */
const layouts = [
  ["/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"],
  ["/sys/fs/cgroup", "memory.max", "memory.peak"],
] as const;

/** Opens a group with a limit in bytes; null where none may be made. */
async function openMemoryGroup(bytes: number): Promise<MemoryGroup | null> {
  for (const [root, limitFile, peakFile] of layouts) {
    const folder = `${root}/arpflush-test-${Deno.pid}-${crypto.randomUUID()}`;
    const make = 'mkdir "$1" && echo "$3" > "$1/$2" && test -f "$1/$4"';
    const remove = () => run(["sh", "-c", 'test ! -d "$1" || rmdir "$1"', "sh", folder]);
    const made = await run(["sh", "-c", make, "sh", folder, limitFile, String(bytes), peakFile])
      .then(() => true, () => false);
    if (made) {
      return {
        join: `echo 0 > ${folder}/cgroup.procs`,
        peak: async () => Number(await run(["cat", `${folder}/${peakFile}`])),
        [Symbol.asyncDispose]: async () => void await remove(),
      };
    }
    await remove();
  }
  return null;
}

const trial = await openMemoryGroup(limit);
await trial?.[Symbol.asyncDispose]();
if (trial === null) console.log("Left out: no control group for memory may be made here");

/** Sends so many of each kind, a few at a time so that the socket can hold them. */
async function burden(socket: RequestSocket, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await socket.send(forged(socket.sign()));
    await socket.send(junk(1 + i % 1_400));
    await socket.send(socket.sign({ created: Date.now() - 3_600_000 }));
    if (i < maxIds) await socket.send(socket.sign({ action: "probe" }));
    if (i % 20 === 0) await pause(5);
  }
}

Deno.test(
  "service.ts lives in 128 MiB, whatever it is sent",
  { ignore: trial === null },
  async () => {
    const group = await openMemoryGroup(limit);
    assert.ok(group !== null);
    await using _group = group;
    await using segment = await openSegment();
    const host = await segment.host();
    await using faulty = await openFaultyHost(host, "memory");
    await using service = await faulty.startService([], { before: group.join });
    await service.line(/Started/);
    {
      using socket = openRequestSocket(await Deno.readTextFile(keyFile), "192.0.2.100");
      await burden(socket, 10_000);
    }
    await host.goStale();
    const { code, stdout, stderr } = await segment.send("-a", "--expect", "1");
    assert.equal(code, 0, stdout + stderr);
    await isRight(host, "192.0.2.1");
    const peak = await group.peak();
    assert.ok(peak > 10 * 2 ** 20 && peak <= limit, `${peak} bytes`);
    assert.equal(await service.stop("SIGTERM"), 0);
  },
);
