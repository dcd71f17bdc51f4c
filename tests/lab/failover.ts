/**
 * One run of the lab, inside its own namespaces: routers and hosts are made, the address is moved
 * twice, and what was seen becomes a RunResult.
 */
import { outcomeOf } from "../support/command.ts";
import { startKeepalived } from "./keepalived.ts";
import type { Lane } from "./lanes.ts";
import { makeMachine } from "./machine.ts";
import type { RunResult } from "./result.ts";
import * as segment from "./segment.ts";
import type { ConnectedStation } from "./segment.ts";
import { type ConnectedLane, summarize } from "./summary.ts";
import { createWatch, now, startEcho, startProber, type Watch, watchSegment } from "./watch.ts";

const routers = [segment.stationAt(11, "r1"), segment.stationAt(12, "r2")] as const;
const priorities = { r1: 150, r2: 100 };
/** What keepalived runs on becoming master, as INSTALL.txt has it. */
const notify = "/opt/arpflush/arpflush -a --syslog";
/** The card that the first router has after its failure. */
const spareCard = "02:00:00:00:01:0b";

/** From a takeover to the next deed: until then the processors belong to those who heal. */
const restMs = 1_000;
/** From the first failure to the second: within the service's hold-down of 10 s after its flush. */
const secondFailureMs = 6_000;
/** keepalived takes over after 3 s and a fraction; a slow machine may need longer. */
const takeoverMs = 8_000;
/** For a program of the lab to start. */
const startMs = 10_000;

/** Runs the lab once with some lanes, watching for `windowMs` from the first failure. */
export async function runLab(windowMs: number, lanes: readonly Lane[]): Promise<RunResult> {
  await makeMachine();
  const watch = createWatch(lanes.map(({ id }) => id));
  await segment.makeSegment();
  await watchSegment(watch, routers);
  const hosts: ConnectedLane[] = [];
  for (const lane of lanes) {
    hosts.push({ ...lane, station: await segment.connectStation(lane.station) });
  }
  for (const host of hosts) await startHost(watch, host);
  const r1 = await segment.connectStation(routers[0]);
  const r2 = await segment.connectStation(routers[1]);
  for (const router of [r1, r1, r2, r2]) await probeAsInstaller(watch, router);
  await startRouter(watch, r1, priorities.r1);
  await startRouter(watch, r2, priorities.r2);
  await watch.until("a first master", () => isMaster(watch, r1), takeoverMs);
  for (const { id, station } of hosts) startProber(watch, id, station);
  for (const [id, answers] of watch.answers) {
    await watch.until(`answers to lane ${id}`, () => answers.length > 100, startMs);
  }
  const first = await failOver(watch, r1, r2);
  await sleepUntil(now() + restMs);
  await segment.replaceCard(r1, spareCard);
  await segment.setLink(r1, "up");
  watch.note(r1.name, "link up", `link up again, with a new card (${spareCard})`);
  await sleepUntil(first + secondFailureMs);
  const second = await failOver(watch, r2, r1);
  await sleepUntil(first + windowMs);
  return await summarize(watch, hosts, [first, second], now());
}

async function startHost(watch: Watch, host: ConnectedLane): Promise<void> {
  const { station, ignoresGratuitousArp, startService } = host;
  if (ignoresGratuitousArp) await segment.ignoreGratuitousArp(station);
  if (startService === null) return;
  const { name } = station;
  await startService(station, (line) => {
    const flushed = /\bFlushed\b.*/.exec(line)?.[0];
    watch.note(name, flushed === undefined ? "note" : "flush", flushed ?? line);
  });
  const speaks = () => watch.moments.some(({ where }) => where === name);
  await watch.until(`the service on ${name}`, speaks, startMs);
}

/** The last step of INSTALL.txt on a router, which is done twice. */
async function probeAsInstaller(watch: Watch, { name, namespace }: ConnectedStation) {
  const probe = ["/opt/arpflush/arpflush", "-a", "--probe", "--count", "1", "--wait", "0.2"];
  const { code, stdout, stderr } = await outcomeOf([...namespace.argv, ...probe]);
  if (code !== 0) throw new Error(`Cannot probe from ${name}: ${stdout}${stderr}`);
  watch.note(name, "note", stdout);
}

async function startRouter(watch: Watch, router: ConnectedStation, priority: number) {
  const { name } = router;
  await startEcho(router, (line) => watch.note(name, "note", `echo: ${line}`));
  await startKeepalived(router, { priority, notify }, (line) => {
    const arp = /^Sending gratuitous ARP/.test(line) ? "gratuitous ARP" : "note";
    watch.note(name, /Entering MASTER STATE/.test(line) ? "master" : arp, line);
  });
}

/** Whether a router has become master since it last left that state. */
function isMaster({ moments }: Watch, { name }: ConnectedStation): boolean {
  const state = moments.findLast(({ where, text }) =>
    where === name && /Entering \w+ STATE/.test(text)
  );
  return state?.kind === "master";
}

/** Takes the master's link down, waits until the other one is master; when the link went down. */
async function failOver(
  watch: Watch,
  master: ConnectedStation,
  backup: ConnectedStation,
): Promise<number> {
  const failure = watch.note(master.name, "link down", "link down");
  await segment.setLink(master, "down");
  await watch.until(`${backup.name} to take over`, () => isMaster(watch, backup), takeoverMs);
  return failure;
}

function sleepUntil(at: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, at - now()));
}
