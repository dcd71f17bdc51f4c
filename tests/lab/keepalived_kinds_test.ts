/**
 * Real keepalived in many configurations, each failed over and back: every word of every report is
 * compared with each host's own kernel and with a ping.
 */
import assert from "node:assert/strict";
import { messageOf } from "../../lib/errors.ts";
import { outcomeOf, pause, run, until } from "../support/command.ts";
import { ip, setNeighbors } from "../support/namespaces.ts";
import { endWithResult, playApart } from "./apart.ts";
import { type Keepalived, runKeepalived } from "./keepalived.ts";
import { type HostSettings, type Kind, kinds } from "./keepalived_kinds.ts";
import * as network from "./network.ts";
import type { Link, Station } from "./network.ts";

/** A report of `arpflush --json`, as far as it is judged. */
interface Report {
  readonly exitCode: number;
  readonly summary: string;
  readonly faults: readonly string[];
  readonly hindrances: readonly string[];
  readonly warnings: readonly string[];
  readonly hosts: readonly HostReport[];
  readonly missing: { readonly count: number; readonly names: readonly string[] };
}

interface HostReport {
  readonly host: string;
  readonly state: string;
  readonly text: string;
  readonly reports: readonly { readonly address: string; readonly finding: string }[];
}

/** What was seen on a host at one address. */
interface Sight {
  /** The host's route to it has no gateway, and isn't to the host itself. */
  readonly onLink: boolean;
  readonly answered: boolean;
  /** Where the host sends to, behind the ping. */
  readonly linkLayerAddress: string | null;
}

/** The router that spoke, as it was right behind its words. */
interface Speaker {
  readonly addresses: ReadonlySet<string>;
  readonly linkLayerAddresses: ReadonlySet<string>;
}

const goodStates = ["healed", "flushed", "alive"];

/** Why what was said of an address is false; null if it isn't. */
function lieAbout(finding: string, address: string, sight: Sight, router: Speaker): string | null {
  const isHeld = router.addresses.has(address);
  const { onLink, answered, linkLayerAddress } = sight;
  const isRight = linkLayerAddress !== null && router.linkLayerAddresses.has(linkLayerAddress);
  switch (finding) {
    case "healed":
      // Of an address that the router has handed on meanwhile nothing can be told any more.
      return !isHeld || answered && isRight ? null : "is neither answered nor at this router";
    case "stuck":
      return isHeld && !(answered && isRight) ? null : "is where it should be";
    case "no answer":
      return isHeld && !answered ? null : "is answered";
    case "no matter":
      return isHeld && onLink && answered ? "is used and answered" : null;
    default:
      return "could be looked at";
  }
}

/** The false words of a report, a line each. `sights` has each host by its name, and then by address. */
function liesIn(
  report: Report,
  sights: ReadonlyMap<string, ReadonlyMap<string, Sight>>,
  router: Speaker,
): string[] {
  const { hosts, missing, exitCode } = report;
  const lies = [...report.faults, ...report.hindrances, ...report.warnings];
  for (const { host, state, text, reports } of hosts) {
    for (const { address, finding } of reports) {
      const sight = sights.get(host)?.get(address);
      const lie = sight === undefined ? null : lieAbout(finding, address, sight, router);
      if (lie === null) continue;
      lies.push(`${host} ${text}: ${finding} ${address}, which ${lie} (${JSON.stringify(sight)})`);
    }
    const isBad = reports.some(({ finding }) => finding !== "healed" && finding !== "no matter");
    if (isBad === goodStates.includes(state)) lies.push(`${host} ${text}: ${state}`);
  }
  if (missing.count > 0) lies.push(`missing: ${missing.names}`);
  const isGood = hosts.length > 0 && hosts.every(({ state }) => goodStates.includes(state));
  if (isGood !== (exitCode === 0)) lies.push(`exit code ${exitCode}`);
  return lies.map((lie) => `${lie} (${report.summary})`);
}

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

async function openHost(
  { virtualAddresses, usesVmac }: Kind,
  links: readonly Link[],
  i: number,
  { number, links: on = [...links.keys()] }: HostSettings,
): Promise<Host> {
  const station = await network.openStation(number, `h${i + 1}`, links, on);
  stations.set(station.name, station);
  const own = on.flatMap((i) => virtualAddresses[i]);
  const [gateway] = own;
  await ip(station.namespace, [`route add default via ${gateway}`]);
  if (i === 1) {
    const addresses = on.flatMap((i) => links[i].networks.map((network) => `${network}.${number}`));
    await network.ignoreGratuitousArp(station, addresses, own, on.map((i) => `e${i}`));
  }
  const permanent = i === 2 && usesVmac !== true ? gateway : null;
  if (permanent !== null) {
    const link = virtualAddresses.findIndex((all) => all.includes(permanent));
    const first = `02:00:00:00:0${link}:02`;
    await setNeighbors(station.namespace, [permanent], first, "permanent", `e${link}`);
  }
  await network.startService(station, (line) => {
    note(station.name, line, /Refused|Cannot|failed|ended with/i.test(line));
  });
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

function startRouter(
  kind: Kind,
  { router, peer, priority }: { router: Station; peer: Station; priority: number },
): Promise<Keepalived> {
  const { name, address } = router;
  const hook = `/run/lab/hook ${name} ${kind.sender}`;
  const settings = { priority, hook, own: address, peer: peer.address };
  return runKeepalived(router, kind.configuration(settings), (line) => {
    note(name, line, /disabl|unsafe|not executable|unknown|error|exited with/i.test(line));
  });
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
    await pause(20);
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
  );
  lastRunning = performance.now();
  await until(() => performance.now() - lastRunning > quietMs, "the end of all runs");
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

async function play(name: string): Promise<KindResult> {
  const kind = kinds[name];
  await network.prepareMachine();
  await Deno.writeTextFile("/etc/arpflush/hosts", kind.hosts.map((_, i) => `h${i + 1}\n`).join(""));
  await writeHook();
  const links = kind.links.map((link, i) => ({ bridge: `link${i}`, ...link }));
  await network.openLinks(links);
  const logged: string[] = [];
  await network.openSystemLog((message) => logged.push(message));
  hosts = await Promise.all(kind.hosts.map((settings, i) => openHost(kind, links, i, settings)));
  const r1 = await network.openStation(2, "r1", links);
  const r2 = await network.openStation(3, "r2", links);
  for (const router of [r1, r2]) stations.set(router.name, router);
  // As docs/operating.md says of use_vmac: otherwise a backup answers for itself as the master.
  const ignore = "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore";
  for (const { namespace } of kind.usesVmac === true ? [r1, r2] : []) {
    await run([...namespace.argv, "sh", "-c", ignore]);
  }
  watchReports();
  const first = { router: r1, peer: r2, priority: 150 };
  const keepalived = await startRouter(kind, first);
  await moved(kind, r1, []);
  await startRouter(kind, { router: r2, peer: r1, priority: 100 });
  await moved(kind, r1, [r2]);
  keepalived.kill("SIGTERM");
  await moved(kind, r2, [r1]);
  await startRouter(kind, first);
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

Deno.test("no false word over a failover and back", async (t) => {
  const names = Object.keys(kinds);
  // They wait more than they work.
  const results = await Promise.all(
    names.map((name) => playApart<KindResult>(import.meta.url, name)),
  );
  for (const [i, { faults, reports, findings, log }] of results.entries()) {
    await t.step(names[i], () => {
      assert.deepEqual(faults, [], log.join("\n"));
      // Each router as a new master and as a backup.
      assert.ok(reports.r1 >= 2 && reports.r2 >= 2, JSON.stringify(reports));
      assert.ok(findings.healed > 0);
      if (kinds[names[i]].usesVmac !== true) {
        assert.ok(findings.stuck > 0, "the permanent entry was seen");
      }
    });
  }
});

if (import.meta.main) await endWithResult(play, log);
