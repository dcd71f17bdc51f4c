/** What the lab sees while it runs: moments as they come, and each host's answers. */
import { defaultPort } from "../../lib/wire/datagram.ts";
import { run } from "../support/command.ts";
import { deno, openSystemLog, programs, readMessages } from "./machine.ts";
import { type OnLine, start } from "./processes.ts";
import type { MomentKind } from "./result.ts";
import {
  broadcastAddress,
  type ConnectedStation,
  type Station,
  virtualAddress,
} from "./segment.ts";

/** The port of the routers' echo: RFC 862's. */
const echoPort = 7;

/** Rarely: the lab must leave the processors to what it measures. */
const pollMs = 20;

/** A moment on the lab's clock, before it is known when the first failure was. */
export interface SeenMoment {
  /** Unix time in ms, from one monotonic clock whose origin was read from the wall clock once. */
  readonly at: number;
  readonly where: string;
  readonly kind: MomentKind;
  readonly text: string;
}

/** The lab's clock. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Everything seen so far. */
export interface Watch {
  readonly moments: SeenMoment[];
  /** When each answer came, by lane id; ascending. */
  readonly answers: ReadonlyMap<string, number[]>;
  /** Notes a moment now, and returns its time. */
  note(where: string, kind: MomentKind, text: string): number;
  /** Waits until something holds; throws after `withinMs`, naming what it was. */
  until(what: string, holds: () => boolean, withinMs: number): Promise<void>;
}

/** Starts watching lanes, by id: nothing is noted yet. */
export function createWatch(laneIds: readonly string[]): Watch {
  const moments: SeenMoment[] = [];
  return {
    moments,
    answers: new Map(laneIds.map((id) => [id, []])),
    note(where, kind, text) {
      const at = now();
      moments.push({ at, where, kind, text });
      return at;
    },
    async until(what, holds, withinMs) {
      const end = now() + withinMs;
      while (!holds()) {
        if (now() > end) {
          const seen = moments.slice(-12).map(({ where, text }) => `\n  ${where}: ${text}`);
          throw new Error(`Waited ${withinMs} ms in vain for ${what}; last seen:${seen.join("")}`);
        }
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    },
  };
}

/** RFC 5424's names of the severities that a priority's lowest three bits hold. */
const severities = [
  "emergency",
  "alert",
  "critical",
  "error",
  "warning",
  "notice",
  "info",
  "debug",
];

/** Notes what routers' senders write to the system log, and every request on the segment. */
export async function watchSegment(watch: Watch, stations: readonly Station[]): Promise<void> {
  await openSystemLog((message) => {
    const line = /^<(\d+)>arpflush\[\d+\]: (.*)$/s.exec(message);
    if (line === null) return watch.note("system log", "note", message);
    watch.note("system log", "report", `${severities[Number(line[1]) & 7]}: ${line[2]}`);
  });
  const port = defaultPort;
  const socket = Deno.listenDatagram({ transport: "udp", hostname: broadcastAddress, port });
  readMessages(socket, (bytes, from) => {
    const address = "hostname" in from ? from.hostname : "";
    const name = stations.find((station) => station.address === address)?.name ?? address;
    watch.note("segment", "datagram", `request of ${bytes.length} bytes from ${name}`);
  });
}

/** A program of the lab in a station, with the echo's address and port as arguments. */
function startProgram(script: string, { namespace }: ConnectedStation, onLine: OnLine): void {
  const flags = ["--quiet", "--no-config", "--no-lock", "--unstable-net", "--allow-net"];
  const args = [script, virtualAddress, String(echoPort)];
  start([...namespace.argv, deno, "run", ...flags, ...args], onLine);
}

/** Starts a router's answer on the virtual address, which it may not hold yet. */
export async function startEcho(router: ConnectedStation, onLine: OnLine): Promise<void> {
  const nonlocal = "/proc/sys/net/ipv4/ip_nonlocal_bind";
  await run([...router.namespace.argv, "sh", "-c", `echo 1 > ${nonlocal}`]);
  startProgram(programs.echo, router, onLine);
}

/** Starts a host's prober; its answers go into the watch under its lane's id. */
export function startProber(watch: Watch, id: string, host: ConnectedStation): void {
  startProgram(programs.prober, host, (line) => {
    const at = Number(line);
    if (at > 0) watch.answers.get(id)?.push(at);
    else watch.note(host.name, "note", `prober: ${line}`);
  });
}
