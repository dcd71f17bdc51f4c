/**
 * Forty VRRP instances on two links that fail over and back, with real keepalived, and the router's
 * daemon at the one that takes over: run in namespaces of its own by follow_test.ts and by the
 * measurement. Prints a `FollowResult` as JSON.
 */
import { parseRequest } from "../../lib/wire/request.ts";
import { formatAddress } from "../../lib/wire/addresses.ts";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { pause, run, until } from "../support/command.ts";
import { linkLayerAddressOf } from "../support/namespaces.ts";
import { endWithResult, playApart } from "./apart.ts";
import {
  globalsText,
  instanceText,
  type Keepalived,
  readFifo,
  runKeepalived,
} from "./keepalived.ts";
import * as network from "./network.ts";
import type { Program, Station } from "./network.ts";

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
const metricsFile = "/run/arpflush-router/arpflush-router.prom";
const links = [network.lan, { bridge: "second", networks: ["198.51.100"] }] as const;
/** From the last instance's change until all has been sent that follows from it. */
const settledMs = 900;
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
    : `${links[instance % 2].networks[0]}.${100 + (instance >> 1)}`;
}

/** Starts keepalived; what r2 tells the daemon it also tells the lab, by the other FIFO. */
async function startKeepalived(router: Station, priority: number): Promise<Keepalived> {
  const { name } = router;
  const fifos = `vrrp_notify_fifo ${network.fifoOf(router)}\n    notify_fifo /run/lab/lines`;
  const globals = globalsText(`vrrp_version 3\n    ${name === "r2" ? fifos : ""}`);
  const all = Array.from({ length: instances }, (_, i) =>
    instanceText({
      ...{ name: `V${i}`, device: `e${i % 2}`, id: i + 1, priority, advertSeconds: 0.5 },
      addresses: [`${virtualAddressOf(i)}/24`],
    }));
  const since = now();
  const keepalived = await runKeepalived(router, globals + all.join(""), (text) => {
    // Forty instances announce their addresses by hundreds of lines.
    if (!text.includes("gratuitous ARP")) log.push(`${now().toFixed(0)} ${name}: ${text}`);
  });
  if (name === "r2") await until(() => countSince(since, "BACKUP") === instances, "40 BACKUP");
  return keepalived;
}

/** Notes a line that keepalived writes at r2. */
function noteLine(text: string): void {
  const [, instance, state] = /^INSTANCE "V(\d+)" (\w+)/.exec(text) ?? [];
  if (state !== undefined) lines.push({ at: now(), instance: Number(instance), state });
}

/** Notes each request of r2 on both links. */
function readDatagrams(): void {
  for (const [link, { networks: [network] }] of links.entries()) {
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

/** The daemon of r2, and what it has said. */
interface Daemon extends Program {
  readonly said: readonly string[];
}

async function startDaemon(r2: Station): Promise<Daemon> {
  const said: string[] = [];
  const program = await network.startFollower(r2, ["-a", "--metrics", metricsFile], (text) => {
    said.push(text);
    log.push(`${now().toFixed(0)} daemon: ${text}`);
  });
  await until(() => said.some((text) => text.includes(": Probe: ")), "the probe at the start");
  return { ...program, said };
}

async function stop(program: Program): Promise<void> {
  program.kill("SIGTERM");
  await program.ended;
}

const countSince = (at: number, state: string) =>
  new Set(lines.filter((line) => line.at > at && line.state === state).map((one) => one.instance))
    .size;

/** Takes r1's cables away until r2 is master of all. */
async function failOver(r1: Station): Promise<number> {
  const since = now();
  await network.setLink(r1, "down");
  await until(() => countSince(since, "MASTER") === instances, "all MASTER");
  await pause(settledMs);
  return since;
}

/** Puts the cables back, and waits until r1 has all addresses again; when r2 had none any more. */
async function failBack(r1: Station): Promise<number> {
  const since = now();
  await network.setLink(r1, "up");
  await until(() => countSince(since, "BACKUP") === instances, "all BACKUP");
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

/** What an administrator does to keepalived; by what was tried, what came of it. */
async function tryEvents(
  [r1, r2, host]: readonly Station[],
  keepalived: Keepalived,
): Promise<Record<string, string>> {
  const events: Record<string, string> = {};
  let daemon = await startDaemon(r2);
  const flushes = () => daemon.said.filter((text) => text.includes("a flush on")).length;
  const flushed = async () => {
    const before = flushes();
    await failOver(r1);
    const isHealed = await linkLayerAddressOf(host.namespace, network.virtualAddress) ===
      r2.linkLayerAddress;
    await failBack(r1);
    return `${flushes() > before ? "flushed" : "lost"}, ${isHealed ? "healed" : "stuck"}`;
  };

  keepalived.kill("SIGHUP");
  await pause(2_000);
  const quiet = flushes();
  events["reload, a FIFO of ours"] = `${quiet} flushes, then ${await flushed()}`;
  events["metrics, of both links"] = (await Deno.readTextFile(metricsFile)).split("\n")
    .filter((line) => /^arpflush_run_hosts\{run="failover".* [1-9]/.test(line)).join(", ");
  await stop(daemon);

  // One that keepalived makes itself.
  await stop(keepalived);
  await Deno.remove(network.fifoOf(r2));
  const second = await startKeepalived(r2, 100);
  daemon = await startDaemon(r2);
  second.kill("SIGHUP");
  const reopened = () => daemon.said.some((text) => text.includes("opening it again"));
  await until(reopened, "a FIFO made anew");
  await pause(2_000);
  events["reload, keepalived's FIFO"] = await flushed();

  await stop(second);
  await startKeepalived(r2, 100);
  await pause(2_000);
  events["stop and start"] = await flushed();
  await stop(daemon);
  return events;
}

async function play(
  { helpers, withEvents }: { readonly helpers: readonly Helper[]; readonly withEvents: boolean },
): Promise<FollowResult> {
  await network.prepareMachine();
  await network.openLinks(links);
  const host = await network.openStation(21, "host", links);
  await network.ignoreGratuitousArp(host);
  await network.startService(host);
  const r1 = await network.openStation(11, "r1", links);
  const r2 = await network.openStation(12, "r2", links);
  await run(["mkfifo", "-m", "600", network.fifoOf(r2)]);
  await readFifo("/run/lab/lines", noteLine);
  readDatagrams();
  await startKeepalived(r1, 150);
  await pause(3_000);
  const keepalived = await startKeepalived(r2, 100);
  await pause(2_000);
  await run([...host.namespace.argv, "ping", "-c", "1", "-W", "2", network.virtualAddress]);

  const rounds: Round[] = [];
  for (const helper of helpers) {
    const daemon = helper === "daemon" ? await startDaemon(r2) : null;
    rounds.push(await playRound(helper, r1));
    if (daemon !== null) await stop(daemon);
  }
  return { rounds, events: withEvents ? await tryEvents([r1, r2, host], keepalived) : {}, log };
}

/** Plays failovers in namespaces of their own. */
export function runFollowLab(
  helpers: readonly Helper[],
  withEvents: boolean,
): Promise<FollowResult> {
  // It notes when lines and datagrams come: what else this machine does is no part of that.
  return playApart(import.meta.url, { helpers, withEvents }, ["nice", "-n", "-15"]);
}

if (import.meta.main) await endWithResult(play, log);
