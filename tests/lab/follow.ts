/**
 * Forty VRRP instances on two links that fail over and back, with real keepalived, and the router's
 * daemon at the one that takes over: run in namespaces of its own by follow_test.ts and by the
 * measurement. Prints a `FollowResult` as JSON.
 */
import { parseRequest } from "../../lib/wire/request.ts";
import { formatAddress } from "../../lib/wire/addresses.ts";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { linesOf, run, until } from "../support/command.ts";
import { connect, ip } from "../support/namespaces.ts";
import { endWithResult, playApart } from "./apart.ts";
import * as network from "./network.ts";
import type { Station } from "./network.ts";

/** What is at the router that takes over. */
export type Helper = "nothing" | "daemon";

/** One failover. */
export interface Round {
  readonly helper: Helper;
  /** From the cut of the master's cables to the last instance that became master here, in ms. */
  readonly failoverMs: number;
  /** By link: from its first MASTER line to the first datagram after it; null if none came. */
  readonly firstDatagramMs: readonly (number | null)[];
  /** By link: different requests until the router gives the addresses back. */
  readonly requests: readonly number[];
  /** By link: virtual addresses that no request asked about. */
  readonly unasked: readonly number[];
  /** Requests about a virtual address that were sent after the router had given all of them back. */
  readonly lateRequests: number;
}

interface FollowResult {
  readonly rounds: readonly Round[];
  /** What was tried besides, with what came of it. */
  readonly events: Readonly<Record<string, string>>;
  readonly log: readonly string[];
}

const instances = 40;
const fifo = "/run/arpflush/notify.fifo";
const linesFifo = "/run/lab/lines.fifo";
const metricsFile = "/run/arpflush-router/arpflush-router.prom";
/** The networks of the links, by the bridge that is each. */
const links = [{ bridge: "segment", network: "192.0.2" }, {
  bridge: "second",
  network: "198.51.100",
}] as const;
const takeoverMs = 20_000;
/** From the last instance's change until all has been sent that follows from it. */
const settledMs = 900;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const now = () => performance.now();

interface Line {
  readonly at: number;
  readonly instance: number;
  readonly state: string;
}
interface Datagram {
  readonly at: number;
  readonly link: number;
  readonly id: string;
  readonly addresses: readonly string[];
}

const lines: Line[] = [];
const datagrams: Datagram[] = [];
const log: string[] = [];

/** An instance's virtual address; the first one is what the lab's host ignores announcements of. */
function virtualAddressOf(instance: number): string {
  return instance === 0
    ? network.virtualAddress
    : `${links[instance % 2].network}.${100 + (instance >> 1)}`;
}

/** keepalived's configuration; what it tells the daemon it also tells the lab, by the other FIFO. */
function configurationOf({ name }: Station, priority: number): string {
  const isTaker = name === "r2";
  const fifos = isTaker ? `vrrp_notify_fifo ${fifo}\n    notify_fifo ${linesFifo}` : "";
  const all = Array.from({ length: instances }, (_, i) => `
vrrp_instance V${i} {
    state BACKUP
    interface e${i % 2}
    virtual_router_id ${i + 1}
    priority ${priority}
    advert_int 0.5
    virtual_ipaddress {
        ${virtualAddressOf(i)}/24
    }
}`);
  return `global_defs {
    router_id ${name}
    enable_script_security
    vrrp_version 3
    ${fifos}
}
${all.join("\n")}
`;
}

/** Gives a station an interface on the second link, too. */
async function plugIntoSecond(station: Station, number: number): Promise<Station> {
  const { name, namespace } = station;
  const hex = number.toString(16).padStart(2, "0");
  await connect({
    namespace,
    name: "e1",
    addresses: [`198.51.100.${number}/24`],
    linkLayerAddress: `02:00:00:00:01:${hex}`,
  }, { namespace: null, name: `${name}b`, addresses: [] });
  await ip(null, [`link set dev ${name}b master second`]);
  return station;
}

async function setLinks({ name }: Station, state: "up" | "down"): Promise<void> {
  await ip(null, [`link set dev ${name} ${state}`, `link set dev ${name}b ${state}`]);
}

/** Notes each line that keepalived writes at r2. */
async function readLines(): Promise<void> {
  await run(["mkfifo", linesFifo]);
  const file = await Deno.open(linesFifo, { read: true, write: true });
  (async () => {
    for await (const text of linesOf(file.readable)) {
      const [, instance, state] = /^INSTANCE "V(\d+)" (\w+)/.exec(text) ?? [];
      if (state !== undefined) lines.push({ at: now(), instance: Number(instance), state });
    }
  })();
}

/** Notes each request of r2 on both links. */
function readDatagrams(): void {
  for (const [link, { network }] of links.entries()) {
    const hostname = `${network}.255`;
    const socket = Deno.listenDatagram({ transport: "udp", hostname, port: defaultPort });
    (async () => {
      for await (const [bytes, from] of socket) {
        const at = now();
        const request = parseRequest(bytes);
        if (request === null || !("hostname" in from) || request.sender !== "r2") continue;
        const addresses = request.addresses.map(formatAddress);
        datagrams.push({ at, link, id: request.id.toHex(), addresses });
      }
    })();
  }
}

/** The daemon at a router, as its unit starts it. */
interface Daemon {
  readonly said: string[];
  kill(signal: Deno.Signal): void;
  readonly ended: Promise<unknown>;
}

async function startDaemon({ namespace }: Station): Promise<Daemon> {
  const program = [
    ...["nice", "-n", "-5", "/opt/arpflush/arpflush-router", "--follow", fifo, "-a"],
    ...["--metrics", metricsFile],
  ];
  const line = [...namespace.argv, ...program];
  const child = new Deno.Command(line[0], {
    args: line.slice(1),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said: string[] = [];
  const reading = (async () => {
    for await (const text of linesOf(child.stderr)) {
      said.push(text);
      log.push(`${now().toFixed(0)} daemon: ${text}`);
    }
  })();
  await until(() => said.some((text) => text.includes("Following")), "a follower", takeoverMs);
  return { said, kill: (signal) => child.kill(signal), ended: reading };
}

async function stopDaemon(daemon: Daemon, signal: Deno.Signal = "SIGTERM"): Promise<void> {
  daemon.kill(signal);
  await daemon.ended;
}

/** Forty instances announce their addresses by hundreds of lines. */
function noteKeepalived(text: string) {
  if (!text.includes("gratuitous ARP")) log.push(`${now().toFixed(0)} ${text}`);
}

const countSince = (at: number, state: string) =>
  new Set(lines.filter((line) => line.at > at && line.state === state).map((one) => one.instance))
    .size;

/** Takes r1's cables away until r2 is master of all; `during` is called at its first line. */
async function failOver(r1: Station, during: () => Promise<void> = async () => {}) {
  const since = now();
  await setLinks(r1, "down");
  await until(() => countSince(since, "MASTER") > 0, "a first MASTER", takeoverMs);
  const doing = during();
  await until(() => countSince(since, "MASTER") === instances, "all MASTER", takeoverMs);
  await doing;
  await pause(settledMs);
  return since;
}

/** Puts the cables back, and waits until r1 has all addresses again; when r2 had none any more. */
async function failBack(r1: Station): Promise<number> {
  const since = now();
  await setLinks(r1, "up");
  await until(() => countSince(since, "BACKUP") === instances, "all BACKUP", takeoverMs);
  const at = now();
  await pause(settledMs);
  return at;
}

async function playRound(helper: Helper, r1: Station): Promise<Round> {
  const since = await failOver(r1);
  const masters = lines.filter((line) => line.at > since && line.state === "MASTER");
  const before = now();
  const givenBackAt = await failBack(r1);
  const virtual = links.map((_, link) =>
    Array.from({ length: instances }, (_, i) => i).filter((i) => i % 2 === link)
      .map(virtualAddressOf)
  );
  const sent = links.map((_, link) =>
    datagrams.filter((one) => one.link === link && one.at > since && one.at < before)
  );
  const asked = sent.map((own) => new Set(own.flatMap(({ addresses }) => addresses)));
  return {
    helper,
    failoverMs: masters[masters.length - 1].at - since,
    firstDatagramMs: sent.map((own, link) => {
      const first = masters.find(({ instance }) => instance % 2 === link);
      const datagram = own.find(({ at }) => at > since);
      return first === undefined || datagram === undefined ? null : datagram.at - first.at;
    }),
    requests: sent.map((own) => new Set(own.map(({ id }) => id)).size),
    unasked: virtual.map((all, link) => all.filter((address) => !asked[link].has(address)).length),
    lateRequests: datagrams.filter(({ at, addresses }) =>
      // The lab reads what was sent before a little later.
      at > givenBackAt + 100 && addresses.some((one) => virtual.flat().includes(one))
    ).length,
  };
}

/** The host's entry of the address whose announcements it ignores. */
async function entryOf({ namespace }: Station): Promise<string> {
  const shown = await ip(namespace, [`neigh show to ${network.virtualAddress} dev e0`]);
  return /lladdr (\S+)/.exec(shown)?.[1] ?? "none";
}

async function keepalivedPid({ name }: Station): Promise<number> {
  return Number(await Deno.readTextFile(`/run/lab/${name}.pid`));
}

/** What an administrator does to keepalived, and what happens to the daemon; by what was tried. */
async function tryEvents(r1: Station, r2: Station, host: Station): Promise<Record<string, string>> {
  const events: Record<string, string> = {};
  let daemon = await startDaemon(r2);
  await pause(2_500);
  const flushes = () => daemon.said.filter((text) => text.includes("a flush on")).length;
  events["stale lines at open"] = `${flushes()} flushes`;

  Deno.kill(await keepalivedPid(r2), "SIGHUP");
  await pause(2_000);
  const quiet = flushes();
  await failOver(r1);
  events["reload, a FIFO of ours"] = `${quiet} flushes, then ${
    flushes() > quiet ? "some" : "none"
  }`;
  events["the host"] = await entryOf(host) === r2.linkLayerAddress ? "healed" : "stuck";
  await failBack(r1);
  events["metrics, of both links"] = (await Deno.readTextFile(metricsFile)).split("\n")
    .filter((line) => /^arpflush_run_hosts\{run="failover".* [1-9]/.test(line)).join(", ");

  await run([...host.namespace.argv, "ip", "neigh", "flush", "all"]);
  await run([...host.namespace.argv, "ping", "-c", "1", "-W", "2", network.virtualAddress]);
  const isAtR1 = await entryOf(host) === r1.linkLayerAddress;
  await failOver(r1, async () => {
    await stopDaemon(daemon, "SIGKILL");
    await pause(100);
    daemon = await startDaemon(r2);
  });
  const repaired = () => daemon.said.some((text) => /Flush: .*1 healed/.test(text));
  await until(repaired, "a repair", takeoverMs).catch(() => {});
  const healed = await entryOf(host) === r2.linkLayerAddress;
  events["killed in the middle"] = `${isAtR1 ? "stale" : "?"}, ${healed ? "healed" : "stuck"}`;
  await failBack(r1);

  daemon.kill("SIGSTOP");
  const filler = 'INSTANCE "other" BACKUP 1\n'.repeat(2_520);
  await run(["timeout", "1", "sh", "-c", 'printf %s "$1" > "$2"', "sh", filler, fifo]).catch(() =>
    ""
  );
  const before = flushes();
  await failOver(r1);
  daemon.kill("SIGCONT");
  await pause(1_000);
  events["full pipe"] = flushes() > before ? "flushed" : "lost";
  await failBack(r1);
  await stopDaemon(daemon);

  // One that keepalived makes itself.
  const stopKeepalived = async () => {
    const ends = () => log.filter((text) => /r2\.conf .* ended with code/.test(text)).length;
    const before = ends();
    Deno.kill(await keepalivedPid(r2), "SIGTERM");
    await until(() => ends() > before, "the end of keepalived", takeoverMs);
  };
  await stopKeepalived();
  await Deno.remove(fifo);
  const since = now();
  await network.runKeepalived(r2, configurationOf(r2, 100), noteKeepalived);
  await until(() => countSince(since, "BACKUP") === instances, "40 BACKUP anew", takeoverMs);
  daemon = await startDaemon(r2);
  Deno.kill(await keepalivedPid(r2), "SIGHUP");
  const reopened = () => daemon.said.some((text) => text.includes("opening it again"));
  await until(reopened, "a FIFO made anew", takeoverMs);
  await pause(2_000);
  const base = flushes();
  await failOver(r1);
  events["reload, keepalived's FIFO"] = flushes() > base ? "flushed" : "lost";
  await failBack(r1);

  await stopKeepalived();
  await pause(1_000);
  const again = now();
  await network.runKeepalived(r2, configurationOf(r2, 100), noteKeepalived);
  await until(() => countSince(again, "BACKUP") === instances, "40 BACKUP again", takeoverMs);
  await pause(2_000);
  const last = flushes();
  await failOver(r1);
  events["stop and start"] = flushes() > last ? "flushed" : "lost";
  await stopDaemon(daemon);
  return events;
}

async function play(helpers: readonly Helper[], withEvents: boolean): Promise<FollowResult> {
  await network.prepareMachine();
  await Deno.mkdir("/run/arpflush-router", { recursive: true });
  await Deno.mkdir("/run/arpflush", { recursive: true });
  await run(["mkfifo", "-m", "600", fifo]);
  await network.openSegment();
  await ip(null, [
    "link add name second type bridge",
    "link set second up",
    "addr add 198.51.100.1/24 dev second",
  ]);
  await network.openSystemLog((message) => log.push(message));
  const host = await plugIntoSecond(await network.openStation(21, "host"), 21);
  await network.ignoreGratuitousArp(host);
  let isUp = false;
  network.start(host, ["/opt/arpflush/arpflush-service"], (line) => isUp ||= /Started/.test(line));
  await until(() => isUp, "the service", takeoverMs);
  const r1 = await plugIntoSecond(await network.openStation(11, "r1"), 11);
  const r2 = await plugIntoSecond(await network.openStation(12, "r2"), 12);
  await readLines();
  readDatagrams();
  await network.runKeepalived(r1, configurationOf(r1, 150), noteKeepalived);
  await pause(3_000);
  await network.runKeepalived(r2, configurationOf(r2, 100), noteKeepalived);
  await until(() => countSince(-1, "BACKUP") === instances, "40 BACKUP", takeoverMs);
  await pause(2_000);
  await run([...host.namespace.argv, "ping", "-c", "1", "-W", "2", network.virtualAddress]);

  const rounds: Round[] = [];
  for (const helper of helpers) {
    const daemon = helper === "daemon" ? await startDaemon(r2) : null;
    // Behind the probe.
    if (daemon !== null) await pause(2_500);
    rounds.push(await playRound(helper, r1));
    if (daemon !== null) await stopDaemon(daemon);
  }
  return { rounds, events: withEvents ? await tryEvents(r1, r2, host) : {}, log };
}

/** Plays failovers in namespaces of their own, with dist/arpflush as it is. */
export function runFollowLab(
  helpers: readonly Helper[],
  withEvents: boolean,
): Promise<FollowResult> {
  return playApart(import.meta.url, { helpers, withEvents }, 230_000);
}

if (import.meta.main) {
  await endWithResult(
    ({ helpers, withEvents }: { helpers: readonly Helper[]; withEvents: boolean }) =>
      play(helpers, withEvents),
    log,
  );
}
