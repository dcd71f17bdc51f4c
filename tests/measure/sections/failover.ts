import { pack } from "../../../packaging/pack.ts";
import { labLacks, runLab, type Way } from "../../lab/failover.ts";
import { pictureOf } from "../../lab/picture.ts";
import { faultsOf, type Lane, outageOf, type RunResult, timelineText } from "../../lab/result.ts";
import { type Context, type Row, rowOf, type Section } from "../section.ts";
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
  const lack = await labLacks();
  if (lack !== null) throw new Error(`this machine lacks ${lack}`);
  await pack("dist/arpflush");
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
    ...rowsOf("arpflush-router", daemon, { goal: { max: 1.005 } }),
    ...rowsOf("notify_master's script", script),
    {
      what: "a, ignores it, nothing helps: stuck as long as watched",
      value: Math.min(...[...daemon, ...script].flatMap((run) => outagesOf([run], "a"))) / 1_000,
      unit: "s",
    },
    {
      what: "faults: a host that did not do what it must, a report that is missing",
      value: [...daemon, ...script].flatMap(faultsOf).length,
      unit: "",
      promise: { max: 0 },
    },
  ];
}

function outagesOf(runs: readonly RunResult[], id: Lane["id"]): number[] {
  return runs.flatMap(({ lanes }) => lanes.filter((lane) => lane.id === id))
    .flatMap(({ outages }) => outages.map(({ ms }) => ms));
}

/** How one way of telling hosts did. */
function rowsOf(way: string, runs: readonly RunResult[], limits: Pick<Row, "goal"> = {}): Row[] {
  const accepts = {
    what: `${way}: outage of c, which accepts gratuitous ARP`,
    values: outagesOf(runs, "c"),
  };
  const ours = {
    what: `${way}: outage of b, which ignores it, with ArpFlush`,
    values: outagesOf(runs, "b"),
  };
  const delay = (what: string, values: readonly number[]) =>
    rowOf({ what: `${way}: from master to ${what}`, values }, "ms");
  return [
    rowOf(accepts, "ms"),
    rowOf(ours, "ms", { ...accepts, what: "c" }, limits),
    {
      what: `${way}: b answered again later than c`,
      value: median(ours.values.map((ms, i) => ms - accepts.values[i])),
      unit: "ms",
    },
    delay("the request on the wire", delaysOf(runs, "request")),
    delay("b's log of its flush", delaysOf(runs, "flush", "b")),
    delay("b answered again", delaysOf(runs, "answered", "b")),
    delay("c answered again", delaysOf(runs, "answered", "c")),
  ];
}

export const failover: Section = {
  title: "A real failover and one back",
  about: "Two routers with real keepalived (`advert_int 1`, `nopreempt`, its own defaults for " +
    "gratuitous ARP) and three hosts that probe the virtual address every 10 ms; each router has the " +
    "daemon at `vrrp_notify_fifo`, or the notify line of the README, by turns. The master's link is " +
    "cut, and 6 s later, within the hold-down period of the service, the new master's. Five runs " +
    "each; an outage is the time from the last answer to the next one. Hosts a and b ignore gratuitous ARP by a rule of nftables and hold an entry for ten " +
    "hours. Most of an outage is VRRP's own: a backup waits for three advertisements. The picture " +
    "shows the daemon's run with the median ratio.",
  needs: ["keepalived", "nft"],
  runsOutside: true,
  picture,
  run,
};
