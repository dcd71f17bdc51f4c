/** What the Linux kernel tells about processes and network namespaces. */
import { type CommandLine, run } from "./command.ts";

/** A reading of /proc about one process. */
export interface ProcessState {
  /** Resident memory now and at its largest, in bytes. */
  readonly rss: number;
  readonly maxRss: number;
  /** Open file descriptors. */
  readonly descriptors: number;
  /** Processor time since the process started, in ms. */
  readonly cpuMs: number;
}

/** Milliseconds of a clock tick: USER_HZ is 100 on every Linux that Deno runs on. */
const tickMs = 10;

/** By a shell, because Deno reads other processes' files only with every permission. */
const readProc = 'cat "/proc/$1/stat" "/proc/$1/status" && ls "/proc/$1/fd" | wc -l';

/** Reads the state of a process; rejects when there is none with this id. */
export async function readProcessState(pid: number): Promise<ProcessState> {
  const text = await run(["sh", "-c", readProc, "sh", String(pid)]);
  const bytesOf = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * 1_024;
  const [stat] = text.split("\n");
  // proc_pid_stat(5): the name in parentheses may hold spaces, so fields are counted behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    rss: bytesOf("VmRSS"),
    maxRss: bytesOf("VmHWM"),
    descriptors: Number(text.trim().split("\n").at(-1)),
    cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs,
  };
}

/** A counter of /proc/net/snmp in a network namespace; `argv` enters it. */
export async function readNetworkCounter(
  protocol: "Ip" | "Udp",
  counter: string,
  argv: CommandLine = [],
): Promise<number> {
  const text = await run([...argv, "cat", "/proc/net/snmp"]);
  const [names, values] = text.split("\n").filter((line) => line.startsWith(`${protocol}:`));
  return Number(values.split(" ")[names.split(" ").indexOf(counter)]);
}

/** Datagrams that a network namespace dropped because the receiving socket was full. */
export function droppedDatagrams(argv: CommandLine = []): Promise<number> {
  return readNetworkCounter("Udp", "RcvbufErrors", argv);
}
