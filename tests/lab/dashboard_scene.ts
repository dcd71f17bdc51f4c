/**
 * Half a minute of two routers with keepalived and five hosts, as their metrics files tell it: drills, a
 * failover at which a host keeps a permanent entry, and a drill that misses another one. Run in
 * namespaces of its own by dashboard.ts; prints a `Scene` as JSON.
 */
import { outcomeOf, pause, run, until } from "../support/command.ts";
import { setNeighbors } from "../support/namespaces.ts";
import { endWithResult, playApart } from "./apart.ts";
import { type Keepalived, startKeepalived } from "./keepalived.ts";
import * as network from "./network.ts";
import type { Station } from "./network.ts";

/** The metrics files, once a second; those that there are, by router. */
export interface Scene {
  readonly seconds: readonly Readonly<Record<string, string>>[];
  /** Unix time in seconds of the first look. */
  readonly start: number;
  /** What the commands said that didn't end as the scene has it. */
  readonly faults: readonly string[];
}

const hosts = ["web1", "web2", "db1", "mail1", "sql01"];
const folder = "/run/arpflush";
const expectFile = "/etc/arpflush/hosts";
const faults: string[] = [];

const kept = ({ name }: Station) =>
  `--expect ${expectFile} --metrics ${folder}/${name}.prom --history ${folder}/${name}.jsonl`;

/** A drill, as the user that keepalived runs its scripts as, like cron's. */
async function drill(router: Station, code: number): Promise<void> {
  const asUser = ["setpriv", `--reuid=${network.scriptUser}`, "--regid=64123", "--clear-groups"];
  const command = `/opt/arpflush/arpflush -a --probe -c 2 -i 200ms -w 1s ${kept(router)}`;
  const ended = await outcomeOf([...router.namespace.argv, ...asUser, ...command.split(" ")]);
  if (ended.code !== code) faults.push(`${command}: ${ended.code} ${ended.stdout}${ended.stderr}`);
}

function startRouter(router: Station, priority: number): Promise<Keepalived> {
  const notify = `/opt/arpflush/arpflush -a --syslog -c 3 -i 500ms -w 1s ${kept(router)}`;
  return startKeepalived(router, { priority, notify }, () => {});
}

/** What the metrics files hold, once a second until the signal. */
async function watch(signal: AbortSignal): Promise<Scene["seconds"]> {
  const seconds: Record<string, string>[] = [];
  const begun = performance.now();
  while (!signal.aborted) {
    const now: Record<string, string> = {};
    for (const name of ["r1", "r2"]) {
      const text = await Deno.readTextFile(`${folder}/${name}.prom`).catch(() => "");
      if (text !== "") now[name] = text;
    }
    seconds.push(now);
    await pause(begun + seconds.length * 1_000 - performance.now());
  }
  return seconds;
}

async function play(): Promise<Scene> {
  await network.prepareMachine();
  await network.openSystemLog(() => {});
  await network.openLinks();
  const stations = new Map<string, Station>();
  for (const [i, name] of hosts.entries()) {
    const host = await network.openStation(21 + i, name);
    await network.startService(host);
    stations.set(name, host);
  }
  await Deno.writeTextFile(expectFile, `${hosts.join("\n")}\n`);
  const r1 = await network.openStation(11, "r1");
  const r2 = await network.openStation(12, "r2");
  const first = await startRouter(r1, 150);
  const second = await startRouter(r2, 100);
  await until(first.isMaster, "a first master");
  await pause(3_000);
  const ending = new AbortController();
  const start = Date.now() / 1_000;
  const watched = watch(ending.signal);
  await pause(3_000);
  await drill(r1, 0);
  await drill(r2, 0);
  const [db1, web2] = ["db1", "web2"].map((name) => stations.get(name)?.namespace);
  if (db1 === undefined || web2 === undefined) throw new Error("The scene has other hosts");
  await setNeighbors(db1, [network.virtualAddress], r1.linkLayerAddress, "permanent");
  await pause(3_000);
  await network.setLink(r1, "down");
  await until(second.isMaster, "r2 to take over");
  await pause(6_000);
  await drill(r2, 3);
  const firewall =
    "add table inet lab; add chain inet lab input { type filter hook input priority " +
    "0; }; add rule inet lab input udp dport 27735 drop";
  await run([...web2.argv, "nft", "-f", "-"], { input: firewall });
  await pause(5_000);
  await drill(r2, 3);
  await pause(4_000);
  ending.abort();
  return { seconds: await watched, start, faults };
}

/** Plays the scene in namespaces of its own. */
export function playScene(): Promise<Scene> {
  return playApart(import.meta.url, null);
}

if (import.meta.main) await endWithResult(play);
