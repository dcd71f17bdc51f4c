/**
 * Real failovers to and fro, seen from hosts side by side. `runLab` makes namespaces for it and runs
 * this module in them, as the first process of its process namespace: when that ends, all that it
 * started ends, and namespaces and mounts are gone.
 */
import { messageOf } from "../../lib/errors.ts";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { CommandError, outcomeOf, run } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import * as network from "./network.ts";
import type { Station } from "./network.ts";
import {
  findSilences,
  hostName,
  type Lane,
  type LaneResult,
  lanes,
  type Moment,
  outageAfter,
  type RunResult,
} from "./result.ts";

const priorities = { r1: 150, r2: 100 };
/** What keepalived tells: the daemon by its FIFO, or a script that it starts. */
type Way = "arpflush-router" | "notify_master";

interface LabSettings {
  readonly way: Way;
  readonly failovers: number;
  /** From the last failure to the end of the watch, in ms: a report comes 6 s after its takeover. */
  readonly windowMs: number;
}

/** As arpflush-router.service has it; both routers share one file tree. */
const fifoOf = (router: Station) => `/run/arpflush/${router.name}.fifo`;
const daemonOf = (router: Station) => [
  ...["nice", "-n", "-5", "/opt/arpflush/arpflush-router", "--follow", fifoOf(router)],
  ...["-a", "--syslog"],
];
/** As INSTALL.txt has it. */
const notify = "/opt/arpflush/arpflush -a --syslog";
/**
 * The card that a router has after a failure. With the old one the entry of a host that is stuck would
 * be right again by chance as soon as that router is master.
 */
const spareCard = (failure: number) => `02:00:00:00:01:${String(failure).padStart(2, "0")}`;
/** From a takeover to the next step: until then the processors belong to those who heal. */
const restMs = 1_000;
/** From a failure to the next: within 10 s, the service's hold-down after its flush. */
const betweenFailuresMs = 6_000;
/** keepalived takes over after 3 s and a fraction; a slow machine may need longer. */
const takeoverMs = 8_000;
/** For a program of the lab to start. */
const startMs = 10_000;
/** Rarely: the lab must leave the processors to what it measures. */
const pollMs = 20;
/** RFC 5424's names of the severities that a priority's lowest three bits hold. */
const severities = "emergency alert critical error warning notice info debug".split(" ");

/** Unix time in ms, from one monotonic clock whose origin was read from the wall clock once. */
const now = () => performance.timeOrigin + performance.now();
const sleepUntil = (at: number) =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, at - now())));

/** What the lab has seen so far, on its own clock. */
const moments: Moment[] = [];
const answers = new Map<Lane["id"], number[]>(lanes.map(({ id }) => [id, []]));

function note(where: string, kind: Moment["kind"], text: string): number {
  const at = now();
  moments.push({ at, where, kind, text });
  return at;
}

/** Waits until something holds; throws after a time, naming what it was. */
async function until(what: string, holds: () => boolean, withinMs: number): Promise<void> {
  const end = now() + withinMs;
  while (!holds()) {
    if (now() > end) {
      const seen = moments.slice(-12).map(({ where, text }) => `\n  ${where}: ${text}`);
      throw new Error(`Waited ${withinMs} ms in vain for ${what}; last seen:${seen.join("")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Notes what the senders write to the system log, and every request on the segment. */
async function watchSegment(routers: readonly Station[]): Promise<void> {
  await network.openSystemLog((message) => {
    const line = /^<(\d+)>arpflush\[\d+\]: (.*)$/s.exec(message);
    if (line === null) note("system log", "note", message);
    else note("system log", "report", `${severities[Number(line[1]) & 7]}: ${line[2]}`);
  });
  const hostname = network.broadcastAddress;
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: defaultPort });
  (async () => {
    for await (const [bytes, from] of socket) {
      const address = "hostname" in from ? from.hostname : "";
      const name = routers.find((router) => router.address === address)?.name ?? address;
      note("segment", "request", `request of ${bytes.length} bytes from ${name}`);
    }
  })();
}

async function startHost(lane: Lane, host: Station): Promise<void> {
  if (lane.ignoresGratuitousArp) await network.ignoreGratuitousArp(host);
  if (!lane.runsArpFlush) return;
  const { name } = host;
  network.start(host, ["/opt/arpflush/arpflush-service"], (line) => {
    const flushed = /\bFlushed\b.*/.exec(line)?.[0];
    note(name, flushed === undefined ? "note" : "flush", flushed ?? line);
  });
  const speaks = () => moments.some(({ where }) => where === name);
  await until(`the service on ${name}`, speaks, startMs);
}

/** Starts the daemon of a router, and waits until its probe has ended. */
async function startDaemon(router: Station): Promise<void> {
  const { name } = router;
  await run(["mkdir", "-p", "/run/arpflush-router", "/run/arpflush"]);
  await run(["mkfifo", "-m", "600", fifoOf(router)]);
  network.start(router, daemonOf(router), (line) => note(name, "note", line));
  const said = (text: string) => moments.some((moment) => moment.text.includes(text));
  await until(`the daemon of ${name}`, () => said(`Following "${fifoOf(router)}"`), startMs);
}

/** Starts what tells hosts, and keepalived and the echo. */
async function startRouter(router: Station, priority: number, way: Way): Promise<void> {
  const { name } = router;
  if (way === "arpflush-router") await startDaemon(router);
  else await probeTwice(router);
  await network.startProber("echo", router, (line) => note(name, "note", `echo: ${line}`));
  const hook = way === "arpflush-router" ? { fifo: fifoOf(router) } : { notify };
  await network.startKeepalived(router, { priority, ...hook }, (line) => {
    const other = /^Sending gratuitous ARP/.test(line) ? "gratuitous ARP" : "note";
    note(name, /Entering MASTER STATE/.test(line) ? "master" : other, line);
  });
}

/** The last step of INSTALL.txt. */
async function probeTwice({ name, namespace }: Station): Promise<void> {
  const probe = [
    "/opt/arpflush/arpflush",
    "-a",
    "--probe",
    "--count",
    "1",
    "--expect",
    "1",
    "--wait",
    "5s",
  ];
  for (let i = 0; i < 2; i++) {
    const { code, stdout, stderr } = await outcomeOf([...namespace.argv, ...probe]);
    if (code !== 0) throw new Error(`Cannot probe from ${name}: ${stdout}${stderr}`);
  }
}

/** Whether a router has become master since it last left that state. */
function isMaster({ name }: Station): boolean {
  const state = moments.findLast(({ where, text }) =>
    where === name && /Entering \w+ STATE/.test(text)
  );
  return state?.kind === "master";
}

/** Takes the master's link down and waits until the other router is master; when it went down. */
async function failOver(master: Station, backup: Station): Promise<number> {
  const failure = note(master.name, "link down", "link down");
  await network.setLink(master, "down");
  await until(`${backup.name} to take over`, () => isMaster(backup), takeoverMs);
  return failure;
}

/** Runs the lab in the namespaces that this process is in. */
async function play({ way, failovers, windowMs }: LabSettings): Promise<RunResult> {
  await network.prepareMachine();
  await network.openSegment();
  const hosts = new Map<Lane, Station>();
  for (const [i, lane] of lanes.entries()) {
    const host = await network.openStation(21 + i, hostName(lane));
    await startHost(lane, host);
    hosts.set(lane, host);
  }
  const r1 = await network.openStation(11, "r1");
  const r2 = await network.openStation(12, "r2");
  await watchSegment([r1, r2]);
  await startRouter(r1, priorities.r1, way);
  await startRouter(r2, priorities.r2, way);
  await until("a first master", () => isMaster(r1), takeoverMs);
  for (const [{ id }, host] of hosts) {
    await network.startProber("probe", host, (line) => {
      if (Number(line) > 0) answers.get(id)?.push(Number(line));
      else note(host.name, "note", `prober: ${line}`);
    });
  }
  for (const [id, times] of answers) {
    await until(`answers to lane ${id}`, () => times.length > 100, startMs);
  }
  const failures: number[] = [];
  for (let [master, backup] = [r1, r2]; failures.length < failovers;) {
    if (failures.length > 0) await sleepUntil(failures[failures.length - 1] + betweenFailuresMs);
    failures.push(await failOver(master, backup));
    await sleepUntil(now() + restMs);
    if (failures.length === failovers) break;
    const card = spareCard(failures.length);
    await network.replaceCard(master, card);
    await network.setLink(master, "up");
    note(master.name, "link up", `link up again, with a new card (${card})`);
    [master, backup] = [backup, master];
  }
  await sleepUntil(failures[failures.length - 1] + windowMs);
  return await resultOf(hosts, failures, now());
}

/** From what was seen to a result, with times counted from the first failure. */
async function resultOf(
  hosts: ReadonlyMap<Lane, Station>,
  failuresAt: readonly number[],
  endAt: number,
): Promise<RunResult> {
  const [origin] = failuresAt;
  const failures = failuresAt.map((at) => at - origin);
  const end = endAt - origin;
  const results: LaneResult[] = [];
  const seen = moments.map((moment) => ({ ...moment, at: moment.at - origin }));
  for (const [lane, host] of hosts) {
    const times = (answers.get(lane.id) ?? []).map((at) => at - origin);
    const silences = findSilences(times, end).filter(({ to }) => to === null || to > 0);
    const outages = failures.map((at, i) => outageAfter(silences, at, failures[i + 1] ?? end, end));
    const ignoredArpPackets = lane.ignoresGratuitousArp
      ? await network.ignoredArpPackets(host)
      : null;
    results.push({ ...lane, ignoredArpPackets, outages, silences });
    for (const { from, to } of silences) {
      if (to === null) continue;
      const text = `lane ${lane.id} is answered again after ${(to - from).toFixed(0)} ms`;
      seen.push({ at: to, where: host.name, kind: "answered", text });
    }
  }
  const told = seen.filter(({ at, kind }) => at >= 0 && kind !== "note");
  return { end, failures, moments: told.sort((a, b) => a.at - b.at), lanes: results };
}

/** What the machine lacks for the lab, in words, or null. Finds out by trying. */
export async function labLacks(): Promise<string | null> {
  if (Deno.build.os !== "linux") return `Linux (this is ${Deno.build.os})`;
  if (Deno.uid() !== 0) return "root";
  const isolation = await findIsolation();
  if ("missing" in isolation) return isolation.missing;
  const trial = "keepalived --version && nft add table arp lab && touch /run/key && " +
    "chown 64123 /run/key && mount -t tmpfs tmpfs /opt";
  try {
    await run([...isolation.argv, "sh", "-c", trial]);
    return null;
  } catch (error) {
    if (error instanceof CommandError) return error.complaint;
    throw error;
  }
}

/**
 * Runs the lab once in namespaces of its own, with dist/arpflush as it is. Rejects when it can't be
 * done; stderr says why.
 */
export async function runLab(settings: LabSettings): Promise<RunResult> {
  const isolation = await findIsolation();
  if ("missing" in isolation) throw new Error(`Cannot run the lab without ${isolation.missing}`);
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", import.meta.url];
  // Five machines in one: what else this one does is no part of them.
  const first = ["nice", "-n", "-15"];
  const [program, ...args] = [...first, ...isolation.argv, ...deno, JSON.stringify(settings)];
  const child = new Deno.Command(program, {
    args,
    cwd: new URL("../../", import.meta.url),
    // /run is the lab's own, and goes with it.
    env: { TMPDIR: "/run" },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  // Its stdin stays open until it has ended: it ends itself when this process does.
  const text = await new Response(child.stdout).text();
  const { success } = await child.status;
  await child.stdin.close().catch(() => {});
  if (!success) throw new Error("Cannot run the lab: see above");
  return JSON.parse(text);
}

async function endWithParent(): Promise<never> {
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer) !== null);
  Deno.exit(1);
}

if (import.meta.main) {
  endWithParent();
  try {
    const result = await play(JSON.parse(Deno.args[0]));
    const bytes = new TextEncoder().encode(JSON.stringify(result));
    for (let written = 0; written < bytes.length;) {
      written += Deno.stdout.writeSync(bytes.subarray(written));
    }
    Deno.exit(0);
  } catch (error) {
    console.error(messageOf(error));
    Deno.exit(1);
  }
}
