/** Sections about real keepalived, which fails over in the labs. */
import { runLab } from "../../lab/failover.ts";
import { type Helper, type Round, runFollowLab } from "../../lab/follow.ts";
import { count, measureInstances } from "../../lab/instances.ts";
import { pictureOf } from "../../lab/picture.ts";
import {
  faultsOf,
  type Lane,
  outageRatio,
  type RunResult,
  timelineText,
} from "../../lab/result.ts";
import { type Context, figure, inTurn, type Row, rowOf, type Section } from "../section.ts";
import { median, quantile } from "../statistics.ts";

type Kind = "request" | "flush" | "answered";

/** How long after a router became master something happened first; one value a failover. */
function delaysOf(runs: readonly RunResult[], kind: Kind, host?: Lane["id"]): number[] {
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

function outagesOf(runs: readonly RunResult[], id: Lane["id"]): number[] {
  return runs.flatMap(({ lanes }) => lanes.filter((lane) => lane.id === id))
    .flatMap(({ outages }) => outages.map(({ ms }) => ms));
}

/** The outages of one way of telling hosts. */
function outageRows(
  way: string,
  runs: readonly RunResult[],
  limits: Pick<Row, "goal"> = {},
): Row[] {
  const accepts = { what: "c", values: outagesOf(runs, "c") };
  const what = `${way}: b, ignores it, with ArpFlush: outage`;
  const ours = { what, values: outagesOf(runs, "b") };
  const later = median(ours.values.map((ms, i) => ms - accepts.values[i]));
  return [
    rowOf({ ...accepts, what: `${way}: c, accepts it: outage` }, "ms"),
    rowOf(ours, "ms", accepts, limits),
    figure(`${way}: b later than c`, later, "ms"),
  ];
}

/** Draws the run with the median ratio. */
async function writePicture(file: string, runs: readonly RunResult[]): Promise<void> {
  const sorted = runs.toSorted((one, other) => outageRatio(one) - outageRatio(other));
  const url = new URL(`../../../docs/${file}`, import.meta.url);
  await Deno.writeTextFile(url, pictureOf(sorted[sorted.length >> 1]));
}

async function failOver({ quick, write, progress }: Context): Promise<Row[]> {
  const ways = [{ what: "arpflush-router" }, { what: "notify_master" }] as const;
  const [{ values: daemon }, { values: script }] = await inTurn(
    ways,
    { count: quick ? 1 : 5 },
    async ({ what: way }) => {
      const result = await runLab({ way, failovers: 2, windowMs: 14_000 });
      progress(`${way}\n${timelineText(result)}`);
      return result;
    },
  );
  if (write) await writePicture(picture.file, daemon);
  const all = [...daemon, ...script];
  const delay = (what: string, kind: Kind, host?: Lane["id"]) =>
    rowOf({ what: `daemon: from master to ${what}`, values: delaysOf(daemon, kind, host) }, "ms");
  const stuckMs = Math.min(...outagesOf(all, "a"));
  return [
    ...outageRows("daemon", daemon, { goal: { max: 1.005 } }),
    delay("request", "request"),
    delay("b's flush", "flush", "b"),
    delay("b answered", "answered", "b"),
    delay("c answered", "answered", "c"),
    ...outageRows("script", script),
    figure("a, ignores it, without: stuck while watched", stuckMs / 1_000, "s"),
    figure("faults", all.flatMap(faultsOf).length, "", { promise: { max: 0 } }),
  ];
}

const picture = {
  file: "lab.svg",
  alt: "Timeline of one run: when each host was answered, over two failovers",
} as const;

export const failover: Section = {
  title: "A real failover and one back",
  about:
    "Two routers with real keepalived, with the daemon or the script in `notify_master`; three " +
    "hosts that probe the virtual address every 10 ms. The master's link is cut, then the new " +
    "master's; five runs each. Hosts a and b ignore gratuitous ARP. Most of an outage is " +
    "VRRP's own. The picture is the daemon's run with the median ratio.",
  isLab: true,
  picture,
  run: failOver,
};

export const instances: Section = {
  title: "Forty instances fail over at once",
  about:
    `Real keepalived, ${count} instances in a \`vrrp_sync_group\`: from the master's end until ` +
    "the other router has the last address, 5 turns. No host answers: it is the failover's own " +
    "processors that scripts take.",
  isLab: true,
  async run({ quick, progress }) {
    const [alone, ...others] = await measureInstances(quick ? 1 : 5);
    for (const { what, values } of [alone, ...others]) progress(`${what}: ${values.join(", ")} ms`);
    return [rowOf(alone, "ms"), ...others.map((one) => rowOf(one, "ms", alone))];
  },
};

async function followKeepalived({ quick, progress }: Context): Promise<Row[]> {
  const pair: readonly Helper[] = ["nothing", "daemon"];
  const helpers = quick ? pair : [...pair, ...pair.toReversed(), ...pair, ...pair.toReversed()];
  const rounds: Round[] = [];
  for (let i = 0; i < (quick ? 1 : 2); i++) {
    rounds.push(...(await runFollowLab(helpers, false)).rounds);
    progress(JSON.stringify(rounds.slice(-helpers.length)));
  }
  const [alone, daemon] = pair.map((one) => rounds.filter(({ helper }) => helper === one));
  const duration = (what: string, of: readonly Round[]) => ({
    what: `${what}: from cut to last master`,
    values: of.map(({ failoverMs }) => failoverMs),
  });
  const delays = daemon.flatMap(({ firstDatagramMs }) => firstDatagramMs)
    .map((ms) => ms ?? Infinity);
  const requests = daemon.flatMap(({ requests }) => requests);
  const wrong = daemon.flatMap(({ unasked, lateRequests }) => [...unasked, lateRequests])
    .reduce((sum, value) => sum + value, 0);
  const peer = duration("nothing else", alone);
  return [
    rowOf(peer, "ms"),
    rowOf(duration("daemon", daemon), "ms", peer),
    rowOf({ what: "daemon: a link's first line to its datagram", values: delays }, "ms"),
    figure("99th percentile", quantile(delays, 0.99), "ms", { goal: { max: 30 } }),
    rowOf({ what: "requests on a link for 20 addresses", values: requests }, ""),
    figure("addresses not asked about, or gone", wrong, "", { promise: { max: 0 } }),
  ];
}

export const follow: Section = {
  title: "The daemon beside keepalived",
  about:
    "Real keepalived, 40 instances on two links; the master's cables are cut, eight turns with " +
    "and without the daemon.",
  isLab: true,
  run: followKeepalived,
};
