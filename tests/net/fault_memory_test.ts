/** A service that may have no more than 128 MiB, and is sent whatever makes it remember something. */
import assert from "node:assert/strict";
import { forged, junk, openRequestSocket, type RequestSocket } from "../measure/requests.ts";
import { run } from "../support/command.ts";
import { isRight, openSegment } from "./chain.ts";
import { keyFile, openFaultyHost } from "./faulty_host.ts";

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
    if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
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
