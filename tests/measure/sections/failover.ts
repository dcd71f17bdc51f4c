import { runLab, type Way } from "../../lab/failover.ts";
import { pictureOf } from "../../lab/picture.ts";
import { faultsOf, type Lane, outageOf, type RunResult, timelineText } from "../../lab/result.ts";
import { type Context, figure, type Row, rowOf, type Section } from "../section.ts";
import { median } from "../statistics.ts";

const picture = {
  file: "lab.svg",
  alt: "Timeline of one run: when each host was answered, over two failovers",
} as const;

/** How long after a router became master something happened first; one value a failover. */
function delaysOf(
  runs: readonly RunResult[],
  kind: "request" | "flush" | "answered",
  host?: Lane["id"],
) {
  return runs.flatMap(({ failures, moments }) =>
    failures.flatMap((failure) => {
      const master = moments.find((moment) => moment.kind === "master" && moment.at > failure);
      const moment = moments.find((moment) =>
        moment.kind === kind && moment.at > (master?.at ?? Infinity) &&
        (host === undefined || moment.where === `host-${host}`)
      );
      return master === undefined || moment === undefined ? [] : [moment.at - master.at];
    })
  );
}

async function run({ quick, write, progress }: Context): Promise<Row[]> {
  const runs: Record<Way, RunResult[]> = { "arpflush-router": [], "notify_master": [] };
  for (let i = 0; i < (quick ? 1 : 5); i++) {
    for (const way of ["arpflush-router", "notify_master"] as const) {
      const result = await runLab({ way, failovers: 2, windowMs: 14_000 });
      progress(`${way}\n${timelineText(result)}`);
      runs[way].push(result);
    }
  }
  const { "arpflush-router": daemon, "notify_master": script } = runs;
  const ratioOf = (result: RunResult) => outageOf(result, "b") / outageOf(result, "c");
  if (write) {
    const sorted = daemon.toSorted((one, other) => ratioOf(one) - ratioOf(other));
    const file = new URL(`../../../docs/${picture.file}`, import.meta.url);
    await Deno.writeTextFile(file, pictureOf(sorted[sorted.length >> 1]));
  }
  return [
    ...rowsOf("daemon", daemon, { goal: { max: 1.005 } }),
    delay("request", delaysOf(daemon, "request")),
    delay("b's flush", delaysOf(daemon, "flush", "b")),
    delay("b answered", delaysOf(daemon, "answered", "b")),
    delay("c answered", delaysOf(daemon, "answered", "c")),
    ...rowsOf("script", script),
    figure(
      "a, ignores it, without: stuck while watched",
      Math.min(...outagesOf([...daemon, ...script], "a")) / 1_000,
      "s",
    ),
    figure("faults", [...daemon, ...script].flatMap(faultsOf).length, "", { promise: { max: 0 } }),
  ];
}

const delay = (what: string, values: readonly number[]) =>
  rowOf({ what: `daemon: from master to ${what}`, values }, "ms");

function outagesOf(runs: readonly RunResult[], id: Lane["id"]): number[] {
  return runs.flatMap(({ lanes }) => lanes.filter((lane) => lane.id === id))
    .flatMap(({ outages }) => outages.map(({ ms }) => ms));
}

/** The outages of one way of telling hosts. */
function rowsOf(way: string, runs: readonly RunResult[], limits: Pick<Row, "goal"> = {}): Row[] {
  const accepts = { what: "c", values: outagesOf(runs, "c") };
  const ours = {
    what: `${way}: b, ignores it, with ArpFlush: outage`,
    values: outagesOf(runs, "b"),
  };
  return [
    rowOf({ ...accepts, what: `${way}: c, accepts it: outage` }, "ms"),
    rowOf(ours, "ms", accepts, limits),
    figure(
      `${way}: b later than c`,
      median(ours.values.map((ms, i) => ms - accepts.values[i])),
      "ms",
    ),
  ];
}

export const failover: Section = {
  title: "A real failover and one back",
  about:
    "Two routers with real keepalived, with the daemon or the script in `notify_master`; three " +
    "hosts that probe the virtual address every 10 ms. The master's link is cut, then the new " +
    "master's; five runs each. Hosts a and b ignore gratuitous ARP. Most of an outage is " +
    "VRRP's own. The picture is the daemon's run with the median ratio.",
  needs: ["keepalived", "nft"],
  runsOutside: true,
  picture,
  run,
};
