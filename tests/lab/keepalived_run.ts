/**
 * A pair of routers with a kind of keepalived configuration, failed over and back in namespaces of its
 * own: run by `checkKind` with the kind's name. Prints a `KindResult` as JSON.
 */
import assert from "node:assert/strict";
import { messageOf } from "../../lib/errors.ts";
import { pack } from "../../packaging/pack.ts";
import { outcomeOf, run, until } from "../support/command.ts";
import { connect, findIsolation, ip, openNetworkNamespace } from "../support/namespaces.ts";
import { type HostSettings, type Kind, kinds } from "./keepalived_kinds.ts";
import * as network from "./network.ts";
import type { Station } from "./network.ts";
import { liesIn, type Report, type Sight, type Speaker } from "./words.ts";

interface KindResult {
  /** What was said and isn't so, a line each; and what wasn't as it should be. */
  readonly faults: readonly string[];
  /** Reports that were judged, by the router that made them. */
  readonly reports: Readonly<Record<string, number>>;
  /** Findings that were judged, by what they say. */
  readonly findings: Readonly<Record<string, number>>;
  readonly log: readonly string[];
}

/** A host, and what it is asked to reach. */
interface Host extends Station {
  readonly virtualAddresses: readonly string[];
  /** The address that it has a permanent entry for, with the first router's link-layer address. */
  readonly permanent: string | null;
}

/** keepalived takes over after 3 s and a fraction; on a busy machine some more. */
const takeoverMs = 20_000;
/** From a change until all runs that it starts have ended: some 6 s each, not all begin at once. */
const settledMs = 30_000;
/** No run has been going on for this long. */
const quietMs = 1_500;
const reportsFolder = "/run/reports";

const faults: string[] = [];
const log: string[] = [];
const reports: Record<string, number> = { r1: 0, r2: 0 };
const findings: Record<string, number> = {};
const stations = new Map<string, Station>();
let hosts: Host[] = [];

function note(where: string, line: string, isFault: boolean): void {
  log.push(`${where}: ${line}`);
  if (isFault) faults.push(`${where}: ${line}`);
}

/** Opens a namespace with an interface on each of some links, and gives it as a station. */
async function openMachine(
  name: string,
  number: number,
  links: Kind["links"],
  on: readonly number[],
): Promise<Station> {
  const namespace = await openNetworkNamespace(name);
  const hex = number.toString(16).padStart(2, "0");
  for (const i of on) {
    const { networks, network6 } = links[i];
    const addresses = networks.map((network) => `${network}.${number}/24`);
    if (network6 !== undefined) addresses.push(`${network6}::${number.toString(16)}/64`);
    const linkLayerAddress = `02:00:00:00:0${i}:${hex}`;
    const far = `${name}-${i}`;
    await connect(
      { namespace, name: `e${i}`, addresses, linkLayerAddress },
      { namespace: null, name: far, addresses: [] },
    );
    await ip(null, [`link set dev ${far} master link${i}`]);
  }
  const [first] = on;
  const address = `${links[first].networks[0]}.${number}`;
  const station = { name, namespace, address, linkLayerAddress: `02:00:00:00:0${first}:${hex}` };
  stations.set(name, station);
  return station;
}

async function openHost(
  { links, virtualAddresses, usesVmac }: Kind,
  i: number,
  { number, links: on = links.map((_, i) => i) }: HostSettings,
): Promise<Host> {
  const station = await openMachine(`h${i + 1}`, number, links, on);
  const own = on.flatMap((i) => virtualAddresses[i]);
  const [gateway] = own;
  await ip(station.namespace, [`route add default via ${gateway}`]);
  if (i === 1) {
    const addresses = on.flatMap((i) => links[i].networks.map((network) => `${network}.${number}`));
    await network.ignoreGratuitousArpOf(station, addresses, own, on.map((i) => `e${i}`));
  }
  const permanent = i === 2 && usesVmac !== true ? gateway : null;
  if (permanent !== null) {
    const link = virtualAddresses.findIndex((all) => all.includes(permanent));
    const entry = `${permanent} lladdr 02:00:00:00:0${link}:02 nud permanent dev e${link}`;
    await ip(station.namespace, [`neigh replace ${entry}`]);
  }
  let isUp = false;
  network.start(station, ["/opt/arpflush/arpflush-service"], (line) => {
    isUp ||= /Started/.test(line);
    note(station.name, line, /Refused|Cannot|failed|ended with/i.test(line));
  });
  await until(() => isUp, `the service on ${station.name}`, takeoverMs);
  return { ...station, virtualAddresses: own, permanent };
}

/** A program for keepalived that runs the sender as it is told and leaves its report in a file. */
async function writeHook(): Promise<void> {
  await run(["sh", "-c", `mkdir -m 1777 ${reportsFolder}`]);
  const script = `#!/bin/sh
file=${reportsFolder}/$1.$$
shift
: > "$file.running"
/opt/arpflush/arpflush "$@" --json > "$file.part" 2> "$file.error"
mv "$file.part" "$file.json"
`;
  await Deno.writeTextFile("/run/lab/hook", script);
  await Deno.chmod("/run/lab/hook", 0o755);
}

async function startRouter(kind: Kind, router: Station, priority: number): Promise<void> {
  const { name, address } = router;
  const peer = [...stations.values()].find((one) => /^r\d$/.test(one.name) && one !== router);
  const hook = `/run/lab/hook ${name} ${kind.sender}`;
  const settings = { priority, hook, own: address, peer: peer?.address ?? "" };
  await network.runKeepalived(router, kind.configuration(settings), (line) => {
    note(name, line, /disabl|unsafe|not executable|unknown|error|exited with/i.test(line));
  });
}

/** Ends keepalived, which hands its addresses on. */
async function stopRouter({ name }: Station): Promise<void> {
  await run(["sh", "-c", 'kill "$(cat "$1")"', "sh", `/run/lab/${name}.pid`]);
}

async function speakerOf({ namespace }: Station): Promise<Speaker> {
  const text = await run([...namespace.argv, "ip", "-json", "address", "show"]);
  const all: { address?: string; addr_info: { local?: string }[] }[] = JSON.parse(text);
  const addresses = all.flatMap(({ addr_info }) => addr_info.flatMap(({ local }) => local ?? []));
  const linkLayerAddresses = all.flatMap(({ address }) => address ?? []);
  return { addresses: new Set(addresses), linkLayerAddresses: new Set(linkLayerAddresses) };
}

/** What a host has and reaches. A flush in between leaves nothing to see, so it is looked at again. */
async function look(host: Station, addresses: readonly string[]): Promise<Map<string, Sight>> {
  for (let times = 1;; times++) {
    const sights = await lookOnce(host, addresses);
    const isFlushed = [...sights.values()].some((sight) =>
      sight.onLink && sight.answered && sight.linkLayerAddress === null
    );
    if (!isFlushed || times === 5) return sights;
  }
}

/** Pings addresses from a host, all at once and twice at most, and reads its table behind that. */
async function lookOnce({ namespace }: Station, addresses: readonly string[]) {
  const script = `for a; do
  { ping -nqc 1 -W 1 $a || ping -nqc 1 -W 1 $a; } > /dev/null 2>&1 && echo "answered $a" &
done; wait
for a; do ip route get $a 2> /dev/null | sed "s/^/route $a: /"; done
ip neigh show nud all`;
  const { stdout } = await outcomeOf([...namespace.argv, "sh", "-c", script, "sh", ...addresses]);
  const lines = stdout.split("\n");
  return new Map(addresses.map((address): [string, Sight] => {
    const route = lines.find((line) => line.startsWith(`route ${address}: ${address} `));
    const device = / dev (\S+)/.exec(route ?? "")?.[1];
    const entry = lines.find((line) => line.startsWith(`${address} dev ${device} `));
    return [address, {
      onLink: device !== undefined && device !== "lo" && !/ via /.test(route ?? ""),
      answered: lines.includes(`answered ${address}`),
      linkLayerAddress: / lladdr (\S+)/.exec(entry ?? "")?.[1] ?? null,
    }];
  }));
}

async function judge(name: string, report: Report): Promise<void> {
  const router = stations.get(name);
  if (router === undefined) throw new Error(`No router "${name}"`);
  const asked = report.hosts.map(
    async ({ host, reports }): Promise<[string, Map<string, Sight>]> => {
      const station = stations.get(host);
      if (station === undefined) throw new Error(`No host "${host}": ${report.summary}`);
      const named = reports.map(({ address }) => address).filter((one) => !one.startsWith("fe80"));
      return [host, await look(station, named)];
    },
  );
  const sights = new Map(await Promise.all(asked));
  const lies = liesIn(report, sights, await speakerOf(router));
  faults.push(...lies.map((lie) => `False word of ${name}: ${lie}`));
  reports[name]++;
  for (const { finding } of report.hosts.flatMap(({ reports }) => reports)) {
    findings[finding] = (findings[finding] ?? 0) + 1;
  }
}

const judged = new Set<string>();
let lastRunning = 0;

/** Judges reports as they come, from now on. */
async function watchReports(): Promise<never> {
  for (;;) {
    const names = Array.from(Deno.readDirSync(reportsFolder), ({ name }) => name);
    const done = names.filter((name) => name.endsWith(".json"));
    const running = names.filter((name) => name.endsWith(".running"));
    if (running.length > done.length) lastRunning = performance.now();
    for (const name of done.filter((name) => !judged.has(name))) {
      judged.add(name);
      const text = Deno.readTextFileSync(`${reportsFolder}/${name}`);
      const error = Deno.readTextFileSync(`${reportsFolder}/${name.replace("json", "error")}`);
      if (error !== "") note(name, error, true);
      lastRunning = Infinity;
      judge(name.split(".")[0], JSON.parse(text)).catch((error) => faults.push(messageOf(error)))
        .finally(() => lastRunning = performance.now());
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until `to` holds all addresses, nobody else any, and the runs of that have ended. */
async function moved(kind: Kind, to: Station, others: readonly Station[]): Promise<void> {
  const all = kind.virtualAddresses.flat();
  const hold = async (router: Station) => {
    const { addresses } = await speakerOf(router);
    return all.filter((address) => addresses.has(address)).length;
  };
  await until(
    async () => {
      const held = await Promise.all([to, ...others].map(hold));
      return held.every((count, i) => count === (i === 0 ? all.length : 0));
    },
    `${to.name} with all addresses`,
    takeoverMs,
  );
  lastRunning = performance.now();
  await until(() => performance.now() - lastRunning > quietMs, "the end of all runs", settledMs);
  const { linkLayerAddresses } = await speakerOf(to);
  for (const host of hosts) {
    for (const [address, sight] of await look(host, host.virtualAddresses)) {
      const isRight = sight.answered && linkLayerAddresses.has(sight.linkLayerAddress ?? "");
      const isExpected = address !== host.permanent || to.name === "r1";
      if (isRight !== isExpected) {
        faults.push(`${host.name} at ${to.name}: ${address} ${JSON.stringify(sight)}`);
      }
    }
  }
}

async function play(kind: Kind): Promise<KindResult> {
  await network.prepareMachine();
  await Deno.writeTextFile("/etc/arpflush/hosts", kind.hosts.map((_, i) => `h${i + 1}\n`).join(""));
  await writeHook();
  for (const i of kind.links.keys()) {
    await ip(null, [`link add name link${i} type bridge`, `link set link${i} up`]);
  }
  const logged: string[] = [];
  await network.openSystemLog((message) => logged.push(message));
  hosts = await Promise.all(kind.hosts.map((settings, i) => openHost(kind, i, settings)));
  const every = [...kind.links.keys()];
  const r1 = await openMachine("r1", 2, kind.links, every);
  const r2 = await openMachine("r2", 3, kind.links, every);
  // As docs/operating.md says of use_vmac: otherwise a backup answers for itself as the master.
  const ignore = "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore";
  for (const { namespace } of kind.usesVmac === true ? [r1, r2] : []) {
    await run([...namespace.argv, "sh", "-c", ignore]);
  }
  watchReports();
  await startRouter(kind, r1, 150);
  await moved(kind, r1, []);
  await startRouter(kind, r2, 100);
  await moved(kind, r1, [r2]);
  await stopRouter(r1);
  await moved(kind, r2, [r1]);
  await startRouter(kind, r1, 150);
  await moved(kind, r1, [r2]);
  for (const line of logged) {
    // As loud as its exit code, and nothing but what the reports say.
    note("system log", line, !/^<(30|28)>arpflush\[\d+\]: Flush: .* answered: /.test(line));
    const isGood = !/STUCK|no answer|unverified|missing|failed|pending|stale/.test(line);
    if (isGood !== line.startsWith("<30>")) faults.push(`As loud as it shouldn't be: ${line}`);
  }
  if (logged.length !== judged.size) faults.push(`${logged.length} lines, ${judged.size} reports`);
  return { faults, reports, findings, log };
}

/** Plays a kind, and expects that nothing is said that isn't so. */
export async function checkKind(name: string): Promise<void> {
  await pack("dist/arpflush");
  const isolation = await findIsolation();
  assert.ok("argv" in isolation);
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", import.meta.url, name];
  const options = { env: { TMPDIR: "/run" }, signal: AbortSignal.timeout(180_000) };
  const { code, stdout, stderr } = await outcomeOf([...isolation.argv, ...deno], options);
  assert.equal(code, 0, stderr);
  const { faults, reports, findings, log }: KindResult = JSON.parse(stdout);
  assert.deepEqual(faults, [], log.join("\n"));
  // Each router as a new master and as a backup.
  assert.ok(reports.r1 >= 2 && reports.r2 >= 2, JSON.stringify(reports));
  assert.ok(findings.healed > 0);
  if (kinds[name].usesVmac !== true) assert.ok(findings.stuck > 0, "the permanent entry was seen");
}

if (import.meta.main) {
  try {
    console.log(JSON.stringify(await play(kinds[Deno.args[0]])));
    Deno.exit(0);
  } catch (error) {
    console.error(messageOf(error), faults.join("\n"), log.join("\n"));
    Deno.exit(1);
  }
}
