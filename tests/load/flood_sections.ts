/** Floods as parts of a report. */
import type { Peers } from "../measure/peers.ts";
import type { Section } from "../measure/section.ts";
import { median, show } from "../measure/statistics.ts";
import { floodReceivers } from "./flood_losses.ts";
import { type Flood, type FloodPlan, floodService } from "./floods.ts";

const percent = (part: number) => `${(part * 100).toFixed(3)}%`;
const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

/** The floods of both sections. */
const floods: readonly Flood[] = [
  { kind: "wrong MAC", ratePerSecond: 50_000 },
  { kind: "junk", ratePerSecond: 200_000 },
];

/** Genuine requests in floods. */
export async function floodSection(peers: Peers, tries: number): Promise<Section> {
  const plans: FloodPlan[] = [false, true].flatMap((guarded) =>
    floods.map((flood) => ({ ...flood, tries, guarded }))
  );
  const rows: string[][] = [];
  for (const plan of plans) {
    const result = await floodService(peers, plan);
    const fives = Math.ceil(tries / 4);
    rows.push([
      `${plan.kind}${plan.guarded ? ", nftables rules" : ""}`,
      show(plan.ratePerSecond),
      show(result.ratePerSecond),
      percent(result.stolen),
      percent(result.dropped),
      `${result.single}/${tries}`,
      `${result.five}/${fives}`,
      [result.before, result.during, result.after].map(({ rss }) => megabytes(rss)).join(" / "),
      show(result.idleCpuMs),
    ]);
  }
  return {
    title: "Floods",
    about: "Genuine requests in the midst of a flood. The flooder sends them, too, from another " +
      "address, at moments drawn beforehand; it and the service share one machine, whose own host " +
      'takes some of its processors\' time away ("stolen"). A try counts when it is acknowledged.',
    header: [
      "flood",
      "wanted/s",
      "reached/s",
      "stolen",
      "socket full",
      "one copy",
      "five copies",
      "RSS MiB before / in / after",
      "CPU ms/s after",
    ],
    rows,
    notes: [],
  };
}

/** The same floods at receivers that do less. */
export async function floodPeersSection(peers: Peers, rounds: number): Promise<Section> {
  const rows: string[][] = [];
  for (const flood of floods) {
    for (const { name, rates, lost, stolen } of await floodReceivers(peers, flood, rounds)) {
      rows.push([
        flood.kind,
        name,
        show(flood.ratePerSecond),
        show(median(rates)),
        percent(median(lost)),
        `${percent(Math.min(...lost))} to ${percent(Math.max(...lost))}`,
        percent(lost[stolen.indexOf(Math.min(...stolen))]),
        percent(Math.min(...stolen)),
      ]);
    }
  }
  return {
    title: "The same floods at receivers that do less",
    about:
      `What part of a flood a receiver's socket had no room for, over loopback, for 4 s each, ` +
      `all receivers in turn, ${rounds} rounds: median and range; and in the round in which the ` +
      `machine's host took least of its processors' time away ("stolen").`,
    header: [
      "flood",
      "receiver",
      "wanted/s",
      "reached/s",
      "socket full",
      "range",
      "undisturbed",
      "stolen then",
    ],
    rows,
    notes: [],
  };
}
