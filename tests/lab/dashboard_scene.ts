/**
 * Half a minute of two routers with keepalived and five hosts, as their metrics files tell it: drills, a
 * failover at which a host keeps a permanent entry, and a drill that misses another one. Run in
 * namespaces of its own by dashboard.ts; prints a `Scene` as JSON.
 */
import { messageOf } from "../../lib/errors.ts";
import { outcomeOf, run, until } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
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
const takeoverMs = 15_000;
const masters = new Set<string>();
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

async function startHost(name: string, number: number): Promise<Station> {
  const host = await network.openStation(number, name);
  let isReady = false;
  network.start(host, ["/opt/arpflush/arpflush-service"], () => isReady = true);
  await until(() => isReady, `the service on ${name}`, takeoverMs);
  return host;
}

async function startRouter(router: Station, priority: number): Promise<void> {
  const notify = `/opt/arpflush/arpflush -a --syslog -c 3 -i 500ms -w 1s ${kept(router)}`;
  await network.startKeepalived(router, { priority, notify }, (line) => {
    if (/Entering MASTER STATE/.test(line)) masters.add(router.name);
    if (/Entering (BACKUP|FAULT) STATE/.test(line)) masters.delete(router.name);
  });
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

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function play(): Promise<Scene> {
  await network.prepareMachine();
  await network.openSystemLog(() => {});
  await network.openSegment();
  await run(["install", "-d", "-o", network.scriptUser, folder]);
  const stations = new Map<string, Station>();
  for (const [i, name] of hosts.entries()) stations.set(name, await startHost(name, 21 + i));
  await Deno.writeTextFile(expectFile, `${hosts.join("\n")}\n`);
  const r1 = await network.openStation(11, "r1");
  const r2 = await network.openStation(12, "r2");
  await startRouter(r1, 150);
  await startRouter(r2, 100);
  await until(() => masters.has("r1"), "a first master", takeoverMs);
  await pause(3_000);
  const ending = new AbortController();
  const start = Date.now() / 1_000;
  const watched = watch(ending.signal);
  await pause(3_000);
  await drill(r1, 0);
  await drill(r2, 0);
  const entry = `neigh replace ${network.virtualAddress} dev e0 nud permanent lladdr`;
  await ip(stations.get("db1")?.namespace ?? null, [`${entry} ${r1.linkLayerAddress}`]);
  await pause(3_000);
  await network.setLink(r1, "down");
  await until(() => masters.has("r2"), "r2 to take over", takeoverMs);
  await pause(6_000);
  await drill(r2, 3);
  const firewall =
    "add table inet lab; add chain inet lab input { type filter hook input priority " +
    "0; }; add rule inet lab input udp dport 27735 drop";
  const web2 = stations.get("web2")?.namespace.argv ?? [];
  await run([...web2, "nft", "-f", "-"], { input: firewall });
  await pause(5_000);
  await drill(r2, 3);
  await pause(4_000);
  ending.abort();
  return { seconds: await watched, start, faults };
}

if (import.meta.main) {
  try {
    await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(await play())));
    Deno.exit(0);
  } catch (error) {
    console.error(messageOf(error));
    Deno.exit(1);
  }
}
