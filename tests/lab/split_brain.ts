/**
 * Two routers that stop hearing each other, so that both are master, and hear each other again: run in
 * namespaces of its own by split_brain_test.ts with a `Hook`, as packaging/keepalived.conf shows them.
 * Prints a `SplitBrain` as JSON.
 */
import { messageOf } from "../../lib/errors.ts";
import { linesOf, outcomeOf, run, until } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import * as network from "./network.ts";
import type { Station } from "./network.ts";

/** What tells hosts; with the daemon there is a sync group of two instances, too. */
export type Hook = "scripts" | "daemon";

/** What the host had, and how often the address answered it out of 3 times. */
interface Seen {
  readonly linkLayerAddress: string;
  readonly answers: number;
}

/** A time with two masters. */
interface Round {
  /** Whose advert the other router heard first when it was over. */
  readonly first: string;
  readonly split: Seen;
  readonly joined: Seen;
}

export interface SplitBrain {
  /** The link-layer address of the router that holds the address before and after. */
  readonly master: string;
  readonly rounds: readonly Round[];
  /** What the senders or daemons told the system log. */
  readonly reports: readonly string[];
  /** What keepalived wrote into its FIFOs, by router. */
  readonly lines: readonly string[];
  readonly keepalived: readonly string[];
}

const takeoverMs = 15_000;
/** From a change of state to the end of what it has started. */
const settledMs = 9_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** When a router became master last; it has sent adverts every second since. */
const masterSince = new Map<string, number>();
const keepalived: string[] = [];
const reports: string[] = [];
const lines: string[] = [];

const fifoOf = ({ name }: Station) => `/run/arpflush/${name}.fifo`;

/** The example for the daemon, twice in a sync group; `lines` get all that keepalived tells, too. */
function withDaemon(example: string, router: Station): string {
  const [globals, instance] = example.replace(/^ *notify_(master|backup|master_rx).*$/gm, "")
    .replace(/^ *#vrrp_notify_fifo .*$/m, `vrrp_notify_fifo ${fifoOf(router)}`)
    .replace("global_defs {", `global_defs {\n    notify_fifo /run/lab/${router.name}.lines`)
    .split(/^(?=vrrp_instance)/m);
  const second = instance.replace("instance lan", "instance more")
    .replace("router_id 51", "router_id 52").replace("192.0.2.254", "192.0.2.253");
  return `${globals}${instance}${second}\nvrrp_sync_group both {\n group {\n lan\n more\n }\n}\n`;
}

/** Starts the daemon of a router, and notes what keepalived will tell it. */
async function startDaemon(router: Station): Promise<void> {
  const { name } = router;
  const linesFifo = `/run/lab/${name}.lines`;
  await run(["mkdir", "-p", "/run/arpflush", "/run/arpflush-router"]);
  await run(["mkfifo", "-m", "600", fifoOf(router), linesFifo]);
  const file = await Deno.open(linesFifo, { read: true, write: true });
  (async () => {
    for await (const line of linesOf(file.readable)) lines.push(`${name}: ${line}`);
  })();
  const daemon = ["/opt/arpflush/arpflush-router", "--follow", fifoOf(router), "-a", "--syslog"];
  network.start(router, daemon, (line) => keepalived.push(`${name}: ${line}`));
  const isUp = () => reports.some((line) => line.includes(`Following "${fifoOf(router)}"`));
  await until(isUp, `the daemon of ${name}`, takeoverMs);
}

async function startRouter(router: Station, priority: number, hook: Hook): Promise<Station> {
  const file = new URL("../../packaging/keepalived.conf", import.meta.url);
  const example = (await Deno.readTextFile(file))
    .replace("interface eth0", "interface e0")
    .replace("priority 100", `priority ${priority}`);
  if (hook === "daemon") await startDaemon(router);
  const configuration = hook === "daemon" ? withDaemon(example, router) : example;
  await network.runKeepalived(router, configuration, (line) => {
    if (/Entering MASTER STATE/.test(line)) masterSince.set(router.name, performance.now());
    if (/Entering BACKUP STATE/.test(line)) masterSince.delete(router.name);
    keepalived.push(`${router.name}: ${line}`);
  });
  return router;
}

async function look({ namespace }: Station): Promise<Seen> {
  const ping = ["ping", "-c", "3", "-i", "0.2", "-W", "1", "-q", network.virtualAddress];
  const { stdout } = await outcomeOf([...namespace.argv, ...ping]);
  const shown = await ip(namespace, [`neigh show to ${network.virtualAddress} dev e0`]);
  return {
    linkLayerAddress: /lladdr (\S+)/.exec(shown)?.[1] ?? "",
    answers: Number(/(\d) received/.exec(stdout)?.[1]),
  };
}

/** Right behind a router's advert, so that the other one's is the next. */
async function adverted({ name }: Station): Promise<void> {
  const since = masterSince.get(name) ?? 0;
  await pause(1_050 - (performance.now() - since) % 1_000);
}

async function play(hook: Hook): Promise<SplitBrain> {
  await network.prepareMachine();
  await network.openSegment();
  await ip(null, [
    "link add name other type bridge",
    "link add near type veth peer name far",
    "link set near master segment up",
    "link set far master other up",
    "link set other up",
  ]);
  await network.openSystemLog((message) => reports.push(message));
  const host = await network.openStation(21, "host", "other");
  await network.ignoreGratuitousArp(host);
  let isUp = false;
  network.start(host, ["/opt/arpflush/arpflush-service"], (line) => isUp ||= /Started/.test(line));
  await until(() => isUp, "the service", takeoverMs);
  const r1 = await startRouter(await network.openStation(11, "r1"), 150, hook);
  await until(() => masterSince.has("r1"), "a first master", takeoverMs);
  const r2 = await startRouter(await network.openStation(12, "r2", "other"), 100, hook);
  await pause(settledMs);
  await look(host);

  const rounds: Round[] = [];
  for (const [first, second] of [[r2, r1], [r1, r2]]) {
    await ip(null, ["link set near down"]);
    await until(() => masterSince.has("r2"), "a second master", takeoverMs);
    await pause(settledMs);
    const split = await look(host);
    await adverted(second);
    await ip(null, ["link set near up"]);
    await until(() => !masterSince.has("r2"), "one master", takeoverMs);
    await pause(settledMs);
    rounds.push({ first: first.name, split, joined: await look(host) });
  }
  return { master: r1.linkLayerAddress, rounds, reports, lines, keepalived };
}

if (import.meta.main) {
  try {
    console.log(JSON.stringify(await play(Deno.args[0] as Hook)));
    Deno.exit(0);
  } catch (error) {
    console.error(messageOf(error), keepalived.join("\n"), reports.join("\n"));
    Deno.exit(1);
  }
}
