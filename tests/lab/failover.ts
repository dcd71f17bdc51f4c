/** Real failovers to and fro, seen from hosts side by side. */
import { defaultPort } from "../../lib/wire/datagram.ts";
import { outcomeOf, pause, until } from "../support/command.ts";
import { endWithResult, playApart } from "./apart.ts";
import { type Keepalived, startKeepalived } from "./keepalived.ts";
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
/** Unix time in ms, from one monotonic clock whose origin was read from the wall clock once. */
const now = () => performance.timeOrigin + performance.now();
const sleepUntil = (at: number) => pause(Math.max(0, at - now()));

/** What the lab has seen so far, on its own clock. */
const moments: Moment[] = [];
const log: string[] = [];
const answers = new Map<Lane["id"], number[]>(lanes.map(({ id }) => [id, []]));

function note(where: string, kind: Moment["kind"], text: string): number {
  const at = now();
  moments.push({ at, where, kind, text });
  log.push(`${where}: ${text}`);
  return at;
}

/** Notes a line of the daemon, or of a script's sender. */
function noteReport(where: string, text: string): void {
  note(where, text.includes("Flush: ") ? "report" : "note", text);
}

/** Notes what the senders write to the system log, and every request on the segment. */
async function watchSegment(routers: readonly Station[]): Promise<void> {
  await network.openSystemLog((message) => noteReport("system log", message));
  const hostname = "192.0.2.255";
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
  await network.startService(host, (line) => {
    const flushed = /\bFlushed\b.*/.exec(line)?.[0];
    note(host.name, flushed === undefined ? "note" : "flush", flushed ?? line);
  });
}

/** Starts what tells hosts, and keepalived and the echo. */
async function startRouter(router: Station, priority: number, way: Way): Promise<Keepalived> {
  const { name } = router;
  if (way === "arpflush-router") {
    await network.startFollower(router, ["-a"], (line) => noteReport(name, line));
  } else await probeTwice(router);
  await network.startEcho(router, (line) => note(name, "note", `echo: ${line}`));
  const hook = way === "arpflush-router" ? { fifo: network.fifoOf(router) } : { notify };
  return await startKeepalived(router, { priority, ...hook }, (line) => {
    const other = /^Sending gratuitous ARP/.test(line) ? "gratuitous ARP" : "note";
    note(name, /Entering MASTER STATE/.test(line) ? "master" : other, line);
  });
}

/** The last step of INSTALL.txt. */
async function probeTwice({ name, namespace }: Station): Promise<void> {
  const options = ["-a", "--probe", "--count", "1", "--expect", "1", "--wait", "5s"];
  for (let i = 0; i < 2; i++) {
    const { code, stdout, stderr } = await outcomeOf([
      ...namespace.argv,
      "/opt/arpflush/arpflush",
      ...options,
    ]);
    if (code !== 0) throw new Error(`Cannot probe from ${name}: ${stdout}${stderr}`);
  }
}

/** Runs the lab in the namespaces that this process is in. */
async function play({ way, failovers, windowMs }: LabSettings): Promise<RunResult> {
  await network.prepareMachine();
  await network.openLinks();
  const hosts = new Map<Lane, Station>();
  for (const [i, lane] of lanes.entries()) {
    const host = await network.openStation(21 + i, hostName(lane));
    await startHost(lane, host);
    hosts.set(lane, host);
  }
  const r1 = await network.openStation(11, "r1");
  const r2 = await network.openStation(12, "r2");
  await watchSegment([r1, r2]);
  const pair = [
    { station: r1, keepalived: await startRouter(r1, priorities.r1, way) },
    { station: r2, keepalived: await startRouter(r2, priorities.r2, way) },
  ];
  await until(pair[0].keepalived.isMaster, "a first master");
  for (const [{ id }, host] of hosts) {
    await network.startProber(host, answers.get(id) ?? [], (line) => {
      note(host.name, "note", `prober: ${line}`);
    });
  }
  const failures: number[] = [];
  for (
    let [master, backup] = pair;
    failures.length < failovers;
    [master, backup] = [backup, master]
  ) {
    if (failures.length > 0) await sleepUntil(failures[failures.length - 1] + betweenFailuresMs);
    failures.push(note(master.station.name, "link down", "link down"));
    await network.setLink(master.station, "down");
    await until(backup.keepalived.isMaster, `${backup.station.name} to take over`);
    await sleepUntil(now() + restMs);
    if (failures.length === failovers) break;
    const card = spareCard(failures.length);
    await network.replaceCard(master.station, card);
    await network.setLink(master.station, "up");
    note(master.station.name, "link up", `link up again, with a new card (${card})`);
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

/** Runs the lab once in namespaces of its own. Rejects when it can't be done. */
export function runLab(settings: LabSettings): Promise<RunResult> {
  // Five machines in one: what else this one does is no part of them.
  return playApart(import.meta.url, settings, ["nice", "-n", "-15"]);
}

if (import.meta.main) await endWithResult(play, log);
