/** What the kernel says of sockets that were full. Linux alone. */
import { type CommandLine, run } from "../support/command.ts";

/** Datagrams dropped in a network namespace for want of room in a socket; `argv` enters it. */
export async function fullSockets(argv: CommandLine): Promise<number> {
  const text = await run([...argv, "cat", "/proc/net/snmp"]);
  const [names, values] = text.split("\n").filter((line) => line.startsWith("Udp:"));
  return Number(values.split(" ")[names.split(" ").indexOf("RcvbufErrors")]);
}
