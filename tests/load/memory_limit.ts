/** A control group that limits memory: the kernel kills what needs more. cgroup v1 and v2. */
import { run } from "../support/command.ts";

/** A group of processes with a limit; disposing of it needs all of them to have ended. */
export interface MemoryGroup extends AsyncDisposable {
  /** A shell command by which a process joins it. */
  readonly join: string;
  /** The most that was in use at once, in bytes. */
  peak(): Promise<number>;
}

/** Names of files that differ. */
const layouts = [
  {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    peak: "memory.max_usage_in_bytes",
  },
  { root: "/sys/fs/cgroup", limit: "memory.max", peak: "memory.peak" },
] as const;

/** Makes a group with a limit in bytes, or tells why there can be none on this machine. */
export async function openMemoryGroup(
  bytes: number,
): Promise<MemoryGroup | { readonly missing: string }> {
  for (const { root, limit, peak } of layouts) {
    const folder = `${root}/arpflush-test-${Deno.pid}-${crypto.randomUUID()}`;
    const script = 'mkdir "$1" && echo "$3" > "$1/$2" && test -f "$1/$4"';
    const made = await run(["sh", "-c", script, "sh", folder, limit, String(bytes), peak])
      .then(() => true, () => false);
    const remove = () => run(["sh", "-c", 'test ! -d "$1" || rmdir "$1"', "sh", folder]);
    if (!made) {
      await remove();
      continue;
    }
    return {
      join: `echo 0 > ${folder}/cgroup.procs`,
      peak: async () => Number(await run(["cat", `${folder}/${peak}`])),
      [Symbol.asyncDispose]: async () => void await remove(),
    };
  }
  return { missing: "a control group for memory that may be made (cgroup v1 or v2)" };
}
