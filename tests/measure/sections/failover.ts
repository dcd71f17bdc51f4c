import { pack } from "../../../packaging/pack.ts";
import { labLacks, runLab } from "../../lab/failover.ts";
import { pictureOf } from "../../lab/picture.ts";
import {
  faultsOf,
  type Lane,
  minStuckMs,
  outageOf,
  type RunResult,
  timelineText,
} from "../../lab/result.ts";
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
  const lack = await labLacks();
  if (lack !== null) throw new Error(`this machine lacks ${lack}`);
  await pack("dist/arpflush");
  const runs: RunResult[] = [];
  for (let i = 0; i < (quick ? 1 : 5); i++) {
    const result = await runLab(minStuckMs + 5_000);
    progress(timelineText(result));
    runs.push(result);
  }
  const ratioOf = (result: RunResult) => outageOf(result, "b") / outageOf(result, "c");
  if (write) {
    const sorted = runs.toSorted((one, other) => ratioOf(one) - ratioOf(other));
    const file = new URL(`../../../docs/${picture.file}`, import.meta.url);
    await Deno.writeTextFile(file, pictureOf(sorted[sorted.length >> 1]));
  }
  const outages = (id: Lane["id"]) =>
    runs.flatMap(({ lanes }) => lanes.filter((lane) => lane.id === id))
      .flatMap(({ outages }) => outages.map(({ ms }) => ms));
  const accepts = { what: "c, accepts it: outage", values: outages("c") };
  const ours = { what: "b, ignores it, with ArpFlush: outage", values: outages("b") };
  const delay = (what: string, values: readonly number[]) =>
    rowOf({ what: `from master to ${what}`, values }, "ms");
  return [
    rowOf(accepts, "ms"),
    rowOf(ours, "ms", accepts, { goal: { max: 1.02 } }),
    figure("b later than c", median(ours.values.map((ms, i) => ms - accepts.values[i])), "ms"),
    figure("a, ignores it, without: stuck while watched", Math.min(...outages("a")) / 1_000, "s"),
    delay("request", delaysOf(runs, "request")),
    delay("b answered", delaysOf(runs, "answered", "b")),
    delay("b's flush", delaysOf(runs, "flush", "b")),
    delay("c answered", delaysOf(runs, "answered", "c")),
    figure("faults", runs.flatMap(faultsOf).length, "", {
      promise: { max: 0 },
    }),
  ];
}

export const failover: Section = {
  title: "A real failover and one back",
  about:
    "Two routers with real keepalived, three hosts that probe the virtual address every 10 ms; " +
    "the master's link is cut, then the new master's; five runs. Hosts a and b ignore " +
    "gratuitous ARP. Most of an outage is VRRP's own. The picture is the run with the median " +
    "ratio.",
  needs: ["keepalived", "nft"],
  runsOutside: true,
  picture,
  run,
};
