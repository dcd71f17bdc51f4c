/** What the kernel says of a process. Linux alone. */
import { run } from "../support/command.ts";

/** A reading of /proc. */
export interface ProcessState {
  /** Memory in use, and the most there ever was, in bytes. */
  readonly rss: number;
  readonly rssMost: number;
  /** Open file descriptors. */
  readonly descriptors: number;
  /** Processor time so far, in ms. */
  readonly cpuMs: number;
}

/** Of a clock tick, in ms: USER_HZ is 100 on every Linux that Deno runs on. */
const tickMs = 10;

/** Through a shell: Deno lets nobody read another process's files who isn't allowed everything. */
const script = 'cat "/proc/$1/stat" "/proc/$1/status" && ls "/proc/$1/fd" | wc -l';

/** Reads it; rejects when there is no such process. */
export async function readProcessState(pid: number): Promise<ProcessState> {
  const text = await run(["sh", "-c", script, "sh", String(pid)]);
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * 1_024;
  const [stat] = text.split("\n");
  // Behind the name, which may hold anything but its closing parenthesis: field 3 and the rest.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    rss: kilobytes("VmRSS"),
    rssMost: kilobytes("VmHWM"),
    descriptors: Number(text.trim().split("\n").at(-1)),
    cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs,
  };
}
