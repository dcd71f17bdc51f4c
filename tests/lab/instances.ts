/**
 * Many keepalived instances that fail over at once, by the ways to hook them: run in namespaces of its
 * own by `measureInstances`, with the number of rounds. Prints the samples as JSON.
 */
import { messageOf } from "../../lib/errors.ts";
import { linesOf, run as runCommand, until } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import * as network from "./network.ts";

/** A way to have keepalived tell hosts. */
interface Way {
  readonly what: string;
  /** A line of global_defs, on the router of this name. @default none */
  readonly globals?: (name: string) => string;
  /** Lines of the group and of each instance. @default none */
  readonly group?: string;
  readonly instance?: string;
}

const fifoOf = (name: string) => `/run/arpflush/${name}.fifo`;
const notify = 'notify_master "/opt/arpflush/arpflush -a --syslog"';

/** The first is what the others are compared with. */
const ways: readonly Way[] = [
  { what: "no script" },
  { what: "the group's script", group: notify },
  { what: "arpflush-router", globals: (name) => `vrrp_notify_fifo ${fifoOf(name)}` },
  { what: "a script for each instance", instance: notify },
];

export const count = 40;
/** A backup waits for (256 - priority) / 256 of a second when the master says that it gives up. */
const priorities = { r1: 254, r2: 250 } as const;
/** A new master comes after three adverts of a second and a fraction, on a busy machine later. */
const takeoverMs = 20_000;
/** A script without hosts that answer ends after some 6 s; forty of them later. */
const endMs = 40_000;

const numbers = Array.from({ length: count }, (_, i) => i + 1);

function configuration(way: Way, name: string, priority: number): string {
  const { globals = () => "", group = "", instance = "" } = way;
  const one = (n: number) =>
    `vrrp_instance v${n} {
    state BACKUP
    interface e0
    virtual_router_id ${n}
    priority ${priority}
    advert_int 1
    virtual_ipaddress {
        192.0.2.${100 + n}/24
    }
    ${instance}
}`;
  return `global_defs {
    enable_script_security
    ${globals(name)}
}
vrrp_sync_group all {
    group {
        ${numbers.map((n) => `v${n}`).join(" ")}
    }
    ${group}
}
${numbers.map(one).join("\n")}
`;
}

/** When each virtual address came to a station, in Unix time, by the kernel's events. */
function watchArrivals({ namespace }: network.Station) {
  const monitor = ["ip", "-timestamp", "-oneline", "monitor", "address"];
  const [program, ...args] = [...namespace.argv, ...monitor];
  const child = new Deno.Command(program, { args, stdout: "piped", env: { TZ: "UTC" } }).spawn();
  const arrivedAt = new Map<string, number>();
  const reading = (async () => {
    let at = NaN;
    for await (const line of linesOf(child.stdout)) {
      // Timestamp: Sun Nov 29 01:02:03 2026 123456 usec
      const stamp = /^Timestamp: (.*) (\d+) usec$/.exec(line);
      if (stamp !== null) at = Date.parse(`${stamp[1]} UTC`) + Number(stamp[2]) / 1_000;
      const address = /^\d.*\binet (192\.0\.2\.1\d\d)\//.exec(line)?.[1];
      if (address !== undefined) arrivedAt.set(address, at);
    }
  })();
  return {
    arrivedAt,
    isWhole: () => arrivedAt.size === count,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await Promise.all([reading, child.status]);
    },
  };
}

/** Waits until no process but the daemons has this in its command line. */
async function ended(text: string): Promise<void> {
  await until(
    async () => {
      const all = (await runCommand(["ps", "-e", "-o", "args="])).split("\n");
      return !all.some((line) => line.includes(text) && !line.includes("--follow"));
    },
    `the end of ${text}`,
    endMs,
  );
}

/** What senders and daemons told the system log. */
const logged: string[] = [];
const reports = () => logged.filter((line) => /Flush: /.test(line)).length;

const scripts = "/opt/arpflush/arpflush.js";

/** Starts the daemon of a router. It idles as long as keepalived doesn't know of its FIFO. */
async function startDaemon(router: network.Station): Promise<void> {
  const fifo = fifoOf(router.name);
  await runCommand(["sh", "-c", 'mkdir -p /run/arpflush && mkfifo "$1"', "sh", fifo]);
  network.start(
    router,
    ["/opt/arpflush/arpflush-router", "--follow", fifo, "-a", "--syslog"],
    (line) => logged.push(line),
  );
  const isUp = () => logged.some((line) => line.includes(`Following "${fifo}"`));
  await until(isUp, `the daemon of ${router.name}`, takeoverMs);
}

async function start(router: network.Station, way: Way, priority: number): Promise<void> {
  let isUp = false;
  await network.runKeepalived(router, configuration(way, router.name, priority), (line) => {
    isUp ||= /Startup complete/.test(line);
  });
  await until(() => isUp, `keepalived on ${router.name}`, takeoverMs);
}

async function stop({ name }: network.Station): Promise<void> {
  await runCommand(["sh", "-c", 'kill "$(cat "$1")"', "sh", `/run/lab/${name}.pid`]);
}

/** Fails over once in a way: from the master's end to the last address at the other router, in ms. */
async function failOver(
  way: Way,
  [r1, r2]: readonly [network.Station, network.Station],
): Promise<number> {
  await using first = watchArrivals(r1);
  await using second = watchArrivals(r2);
  await start(r1, way, priorities.r1);
  await until(first.isWhole, "a first master", takeoverMs);
  await start(r2, way, priorities.r2);
  await ended(scripts);
  const from = Date.now();
  await stop(r1);
  await until(second.isWhole, "a second master", takeoverMs);
  await ended(scripts);
  await stop(r2);
  for (const { name } of [r1, r2]) await ended(`/run/lab/${name}.conf`);
  return Math.max(...second.arrivedAt.values()) - from;
}

/** The milliseconds of each way. */
interface Failovers {
  readonly what: string;
  readonly values: number[];
}

async function play(rounds: number): Promise<Failovers[]> {
  await network.prepareMachine();
  await network.openSegment();
  await network.openSystemLog((message) => logged.push(message));
  const routers = [
    await network.openStation(11, "r1"),
    await network.openStation(12, "r2"),
  ] as const;
  for (const router of routers) await startDaemon(router);
  const failovers = ways.map(({ what }): Failovers => ({ what, values: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, way] of ways.entries()) {
      const before = reports();
      failovers[i].values.push(await failOver(way, routers));
      // What was not told was not measured.
      if (i > 0) await until(() => reports() > before, `a report by ${way.what}`, endMs);
    }
  }
  return failovers;
}

/** Fails over in every way in turn, with dist/arpflush as it is; the first way is without a script. */
export async function measureInstances(rounds: number): Promise<Failovers[]> {
  const isolation = await findIsolation();
  if ("missing" in isolation) throw new Error(`this machine lacks ${isolation.missing}`);
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", import.meta.url];
  const options = { cwd: new URL("../../", import.meta.url), env: { TMPDIR: "/run" } };
  return JSON.parse(await runCommand([...isolation.argv, ...deno, String(rounds)], options));
}

if (import.meta.main) {
  try {
    console.log(JSON.stringify(await play(Number(Deno.args[0]))));
    Deno.exit(0);
  } catch (error) {
    console.error(messageOf(error), logged.slice(-5).join("\n"));
    Deno.exit(1);
  }
}
