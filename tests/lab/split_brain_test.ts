/** After a time with two masters hosts are at the one that is left, whichever heard the other first. */
import assert from "node:assert/strict";
import { outcomeOf, pause, run, until } from "../support/command.ts";
import { ip, linkLayerAddressOf } from "../support/namespaces.ts";
import { endWithResult, playApart } from "./apart.ts";
import { type Keepalived, readFifo, runKeepalived } from "./keepalived.ts";
import * as network from "./network.ts";
import type { Station } from "./network.ts";

/** What tells hosts; with the daemon there is a sync group of two instances, too. */
type Hook = "scripts" | "daemon";

/** What the host had, and how often the address answered it out of 3 times. */
interface Seen {
  readonly linkLayerAddress: string | null;
  readonly answers: number;
}

interface SplitBrain {
  /** The link-layer address of the router that holds the address before and after. */
  readonly master: string;
  /** Times with two masters, by whose advert the other router heard first when each was over. */
  readonly rounds: readonly {
    readonly first: string;
    readonly split: Seen;
    readonly joined: Seen;
  }[];
  /** What senders and daemons told, a line each. */
  readonly reports: readonly string[];
  /** What keepalived wrote into its FIFOs, by router. */
  readonly lines: readonly string[];
  readonly log: readonly string[];
}

/** From a change of state to the end of what it has started. */
const settledMs = 9_000;

const reports: string[] = [];
const lines: string[] = [];
const log: string[] = [];

/** The example for the daemon, twice in a sync group; `lines` get all that keepalived tells, too. */
function withDaemon(example: string, router: Station): string {
  const [globals, instance] = example.replace(/^ *notify_(master|backup|master_rx).*$/gm, "")
    .replace(/^ *#vrrp_notify_fifo .*$/m, `vrrp_notify_fifo ${network.fifoOf(router)}`)
    .replace("global_defs {", `global_defs {\n    notify_fifo /run/lab/${router.name}.lines`)
    .split(/^(?=vrrp_instance)/m);
  const second = instance.replace("instance lan", "instance more")
    .replace("router_id 51", "router_id 52").replace("192.0.2.254", "192.0.2.253");
  return `${globals}${instance}${second}\nvrrp_sync_group both {\n group {\n lan\n more\n }\n}\n`;
}

/** Starts a router by packaging/keepalived.conf. */
async function startRouter(router: Station, priority: number, hook: Hook): Promise<Keepalived> {
  const { name } = router;
  const file = new URL("../../packaging/keepalived.conf", import.meta.url);
  const example = (await Deno.readTextFile(file))
    .replace("interface eth0", "interface e0")
    .replace("priority 100", `priority ${priority}`);
  if (hook === "daemon") {
    await readFifo(`/run/lab/${name}.lines`, (line) => lines.push(`${name}: ${line}`));
    await network.startFollower(router, ["-a"], (line) => reports.push(line));
  }
  const configuration = hook === "daemon" ? withDaemon(example, router) : example;
  return await runKeepalived(router, configuration, (line) => log.push(`${name}: ${line}`));
}

async function look({ namespace }: Station): Promise<Seen> {
  const ping = ["ping", "-c", "3", "-i", "0.2", "-W", "1", "-q", network.virtualAddress];
  const { stdout } = await outcomeOf([...namespace.argv, ...ping]);
  return {
    linkLayerAddress: await linkLayerAddressOf(namespace, network.virtualAddress),
    answers: Number(/(\d) received/.exec(stdout)?.[1]),
  };
}

/** Joins the links so that this router's advert is heard first: until it has sent one, it is deaf. */
async function joinDeaf({ namespace }: Station, isOver: () => boolean): Promise<void> {
  const nft = (input: string) => run([...namespace.argv, "nft", "-f", "-"], { input });
  await nft(`table ip deaf {
    set sent { type ipv4_addr; flags dynamic; }
    chain in { type filter hook input priority 0; ip protocol vrrp ip daddr != @sent drop; }
    chain out { type filter hook output priority 0; }
  }\n`);
  await ip(null, ["link set near up"]);
  await nft("add rule ip deaf out ip protocol vrrp add @sent { ip daddr }\n");
  await until(isOver, "one master");
  await nft("delete table ip deaf\n");
}

async function play(hook: Hook): Promise<SplitBrain> {
  await network.prepareMachine();
  const other = { bridge: "other", networks: network.lan.networks };
  await network.openLinks();
  await ip(null, [
    "link add name other type bridge",
    "link add near type veth peer name far",
    "link set near master lan up",
    "link set far master other up",
    "link set other up",
  ]);
  await network.openSystemLog((message) => reports.push(message));
  const host = await network.openStation(21, "host", [other]);
  await network.ignoreGratuitousArp(host);
  await network.startService(host);
  const r1 = await network.openStation(11, "r1");
  const r2 = await network.openStation(12, "r2", [other]);
  const left = await startRouter(r1, 150, hook);
  await until(left.isMaster, "a first master");
  const lost = await startRouter(r2, 100, hook);
  await pause(settledMs);
  await look(host);

  const rounds = [];
  for (const first of [r2, r1]) {
    await ip(null, ["link set near down"]);
    await until(lost.isMaster, "a second master");
    await pause(settledMs);
    const split = await look(host);
    await joinDeaf(first, () => !lost.isMaster());
    await pause(settledMs);
    rounds.push({ first: first.name, split, joined: await look(host) });
  }
  return { master: r1.linkLayerAddress, rounds, reports, lines, log };
}

/** Plays it, and expects that the host ends up at the one master both times. */
async function joinTwice(hook: Hook): Promise<SplitBrain> {
  const result = await playApart<SplitBrain>(import.meta.url, hook);
  const { master, rounds, reports, lines, log } = result;
  const said = [...reports, ...lines, ...log].join("\n");
  for (const { first, split, joined } of rounds) {
    assert.notEqual(split.linkLayerAddress, master, `${first} first\n${said}`);
    assert.deepEqual(joined, { linkLayerAddress: master, answers: 3 }, `${first} first\n${said}`);
  }
  return result;
}

Deno.test("hosts are healed after a time with two masters", async (t) => {
  const [scripts, daemon] = await Promise.all([joinTwice("scripts"), joinTwice("daemon")]);

  await t.step("by packaging/keepalived.conf: all that the senders said was good", () => {
    for (const report of scripts.reports) {
      assert.match(report, /^<30>arpflush\[\d+\]: Flush: .* 1 healed$/);
    }
  });

  await t.step("by arpflush-router, in a sync group", () => {
    const { reports, lines } = daemon;
    const said = [...reports, ...lines].join("\n");
    for (const line of ['INSTANCE "lan" MASTER_RX_LOWER_PRI', 'GROUP "both" MASTER']) {
      assert.ok(lines.some((one) => one.startsWith(`r1: ${line}`)), said);
    }
    // The winner heard the loser's advert first, and then the loser the winner's.
    for (const flushed of ["lan is MASTER_RX_LOWER_PRI", "(lan|more) is BACKUP"]) {
      const pattern = new RegExp(`^arpflush: INSTANCE ${flushed}: a flush on e0$`);
      assert.ok(reports.some((text) => pattern.test(text)), said);
    }
    assert.ok(!reports.some((text) => /unknown|STUCK|missing/.test(text)), said);
  });
});

if (import.meta.main) await endWithResult(play, log);
