/** The kernel's own count of UDP datagrams, in a network namespace that nobody else uses. */
import { run } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import type { Findings } from "./outcome.ts";

/** An address outside loopback for the attacker, which the namespace doesn't have by itself. */
const outside = "192.0.2.1/32";

/** Gives the namespace an address outside loopback. */
export async function addOutsideAddress(): Promise<void> {
  await ip(null, [`addr add ${outside} dev lo`]);
}

/** IPv4's counters of UDP since the namespace began. */
export interface UdpCount {
  readonly sent: number;
  /** Came, and could not be delivered: a full buffer, a wrong checksum, no socket. */
  readonly lost: number;
}

/** Reads the counters. */
export async function countUdp(): Promise<UdpCount> {
  // Deno itself reads nothing below /proc without all rights.
  const lines = (await run(["cat", "/proc/net/snmp"])).split("\n");
  const [names, values] = lines.filter((line) => line.startsWith("Udp: "))
    .map((line) => line.split(" "));
  const value = (name: string) => Number(values[names.indexOf(name)]);
  return {
    sent: value("OutDatagrams"),
    lost: value("InErrors") + value("NoPorts"),
  };
}

/** Finds fault with any datagram that nobody knows of, or that was lost. */
export function compareCounts(
  before: UdpCount,
  after: UdpCount,
  known: number,
  findings: Findings,
): void {
  findings.expect("Datagrams counted by the kernel", after.sent - before.sent, known);
  findings.expect("Datagrams lost", after.lost - before.lost, 0);
}
