/** Many keepalived instances that fail over at once, by the ways to hook them. */
import { linesOf, run as runCommand, until } from "../support/command.ts";
import { endWithResult, playApart } from "./apart.ts";
import {
  globalsText,
  groupText,
  instanceText,
  type Keepalived,
  runKeepalived,
} from "./keepalived.ts";
import * as network from "./network.ts";

/** A way to have keepalived tell hosts. */
interface Way {
  readonly what: string;
  /** A line of global_defs, on a router. @default none */
  readonly globals?: (router: network.Station) => string;
  /** Lines of the group and of each instance. @default none */
  readonly group?: string;
  readonly instance?: string;
}

/** One copy: it is the start of forty programs that is measured. */
const options = "-a -c 1 -w 1s";
const notify = `notify_master "/opt/arpflush/arpflush ${options} --syslog"`;

/** The first is what the others are compared with. */
const ways: readonly Way[] = [
  { what: "no script" },
  { what: "the group's script", group: notify },
  { what: "arpflush-router", globals: (router) => `vrrp_notify_fifo ${network.fifoOf(router)}` },
  { what: "a script for each instance", instance: notify },
];

export const count = 40;
/** A backup waits for (256 - priority) / 256 of a second when the master says that it gives up. */
const priorities = { r1: 254, r2: 250 } as const;

const numbers = Array.from({ length: count }, (_, i) => i + 1);

function start(
  router: network.Station,
  { globals = () => "", group, instance }: Way,
  priority: number,
): Promise<Keepalived> {
  const names = numbers.map((n) => `v${n}`);
  const instances = numbers.map((n) =>
    instanceText({
      ...{ name: `v${n}`, id: n, priority, addresses: [`192.0.2.${100 + n}/24`] },
      more: instance,
    })
  );
  const text = [globalsText(globals(router)), groupText("all", names, group), ...instances];
  return runKeepalived(router, text.join(""), () => {});
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

/** Waits until no process but the daemons runs the sender. */
async function senderEnded(): Promise<void> {
  await until(async () => {
    const all = (await runCommand(["ps", "-e", "-o", "args="])).split("\n");
    return !all.some((line) => line.includes("/arpflush.js") && !line.includes("--follow"));
  }, "the end of all senders");
}

/** What senders and daemons told. */
const logged: string[] = [];
const reports = () => logged.filter((line) => /Flush: /.test(line)).length;

/** Fails over once in a way: from the master's end to the last address at the other router, in ms. */
async function failOver(
  way: Way,
  [r1, r2]: readonly [network.Station, network.Station],
): Promise<number> {
  await using first = watchArrivals(r1);
  await using second = watchArrivals(r2);
  const master = await start(r1, way, priorities.r1);
  await until(first.isWhole, "a first master");
  const backup = await start(r2, way, priorities.r2);
  await senderEnded();
  const from = Date.now();
  master.kill("SIGTERM");
  await until(second.isWhole, "a second master");
  await senderEnded();
  backup.kill("SIGTERM");
  await Promise.all([master.ended, backup.ended]);
  return Math.max(...second.arrivedAt.values()) - from;
}

/** The milliseconds of each way. */
interface Failovers {
  readonly what: string;
  readonly values: number[];
}

async function play(rounds: number): Promise<Failovers[]> {
  await network.prepareMachine();
  await network.openLinks();
  await network.openSystemLog((message) => logged.push(message));
  const routers = [
    await network.openStation(11, "r1"),
    await network.openStation(12, "r2"),
  ] as const;
  // They idle as long as keepalived doesn't know of their FIFOs.
  for (const router of routers) {
    await network.startFollower(router, options.split(" "), (line) => logged.push(line));
  }
  const failovers = ways.map(({ what }): Failovers => ({ what, values: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, way] of ways.entries()) {
      const before = reports();
      failovers[i].values.push(await failOver(way, routers));
      // What was not told was not measured.
      if (i > 0) await until(() => reports() > before, `a report by ${way.what}`);
    }
  }
  return failovers;
}

/** Fails over in every way in turn; the first way is without a script. */
export function measureInstances(rounds: number): Promise<Failovers[]> {
  return playApart(import.meta.url, rounds);
}

if (import.meta.main) await endWithResult(play, logged);
