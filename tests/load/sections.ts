/** The loads as parts of a report. Each fails, with its figures said, when a promise is broken. */
import type { Peers } from "../measure/peers.ts";
import type { Section } from "../measure/section.ts";
import { median, show } from "../measure/statistics.ts";
import { copiesReach, defaultSchedule } from "./copies_reach.ts";
import {
  burstLoss,
  burstReach,
  deviations,
  independentLoss,
  independentReach,
  seededRandom,
} from "./loss_model.ts";
import { loseOnWire } from "./lossy_wire.ts";
import { answerBroadcast } from "./many_hosts.ts";
import { refreshAfterLoss } from "./refresh_delay.ts";
import { reloadUnderLoad } from "./reloads.ts";
import { brokenPromises, judgesGrowth, settlingSeconds, soak } from "./soak.ts";
import { spreadPicture } from "./spread_picture.ts";

const percent = (part: number) => `${(part * 100).toFixed(3)}%`;
const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
const { count, intervalMs } = defaultSchedule;

/** Loss on a virtual clock and on a real wire. */
export async function lossSection(hosts: number, wireTrials: number): Promise<Section> {
  const rows: string[][] = [];
  const row = (what: string, trials: number, reached: number, theory: number) =>
    rows.push([
      what,
      trials.toLocaleString("en-US"),
      percent(reached / trials),
      percent(theory),
      deviations(reached, trials, theory).toFixed(1),
    ]);
  const random = seededRandom(Date.now());
  for (const loss of [0.1, 0.33, 0.5]) {
    const reached = await copiesReach(hosts, () => independentLoss(loss, random));
    row(`${loss * 100}%, virtual clock`, hosts, reached, independentReach(loss, count));
  }
  for (const meanMs of [100, 1_000, 5_000]) {
    const bursts = { probability: 0.33, meanMs };
    const reached = await copiesReach(hosts, () => burstLoss(bursts, random));
    const theory = burstReach(bursts, count, intervalMs);
    row(`33% in bursts of ${meanMs} ms, virtual clock`, hosts, reached, theory);
  }
  let by = "";
  for (const perMille of [100, 330, 500]) {
    const result = await loseOnWire(perMille, wireTrials);
    by = result.by;
    const theory = independentReach(perMille / 1_000, count);
    row(`${perMille / 10}%, veth and ${by}`, result.trials, result.reached, theory);
  }
  const { meanSeconds, mostSeconds } = await refreshAfterLoss(1_000, random);
  return {
    title: "Loss",
    about:
      `Hosts that at least one of ${count} copies reaches. On the virtual clock the sender's ` +
      "own code sends to that many hosts, each behind a path of its own; on the wire each trial is " +
      "an exchange with the real service.",
    header: ["loss", "trials", "reached", "theory", "sigma"],
    rows,
    notes: [
      ...by === "nftables"
        ? ["This kernel has no netem: nftables' random numbers drop on the wire, without bursts."]
        : [],
      "After a total loss RefreshAddresses heals, at its default of 30 s, within " +
      `${show(meanSeconds)} s on average and ${show(mostSeconds)} s at most (1,000 failovers at ` +
      "random moments, the service's own refresher on a virtual clock).",
    ],
  };
}

/** Many hosts answering one broadcast, with a picture. */
export async function hostsSection(
  peers: Peers,
  counts: readonly number[],
  repetitions: number,
  picture: string | null,
): Promise<Section> {
  const spreads = ["0", "auto"] as const;
  const rows: string[][] = [];
  const curves = spreads.map((spread) => ({
    spread,
    points: [] as { hosts: number; part: number }[],
  }));
  for (const hosts of counts) {
    for (const { spread, points } of curves) {
      const results = await answerBroadcast(peers, hosts, spread, repetitions);
      const parts = results.map(({ withinSecond }) => withinSecond / hosts);
      const last = median(results.map(({ lastMs }) => lastMs));
      points.push({ hosts, part: median(parts) });
      rows.push([
        hosts.toLocaleString("en-US"),
        spread,
        percent(median(parts)),
        percent(Math.min(...parts)),
        show(last),
      ]);
    }
  }
  if (picture !== null) await Deno.writeTextFile(picture, spreadPicture(curves));
  return {
    title: "Many hosts answer one broadcast",
    about:
      "One C program stands in for all hosts, each with an address and a name of its own, and " +
      `answers a single copy at once or within the spread; ${repetitions} runs of the sender each.`,
    header: ["hosts", "spread", "acks within 1 s, median", "worst", "last ack ms"],
    rows,
    notes: [
      "Without a spread about 256 acks fit into the sender's socket (212,992 bytes) while it is busy.",
    ],
  };
}

/** Reloads under load. */
export async function reloadSection(reloads: number): Promise<Section> {
  const { asked, unanswered, reloaded, refused, descriptorsMore } = await reloadUnderLoad(reloads);
  if (unanswered > 0) throw new Error(`${unanswered} of ${asked} requests were not answered`);
  return {
    title: "Reloads under load, every second one broken",
    about: "SIGHUP after SIGHUP, each with five requests on their way.",
    header: ["reloaded", "refused", "requests", "unanswered", "descriptors more"],
    rows: [[reloaded, refused, asked, unanswered, descriptorsMore].map(String)],
    notes: [],
  };
}

/** A soak; a miss or a leak is a broken promise. */
export async function soakSection(seconds: number, requestsPerSecond: number): Promise<Section> {
  const result = await soak({
    seconds,
    requestsPerSecond,
    progress: (line) => console.error(line),
  });
  const { sent, asked, missed, dropped, settled, end, rssGrowth } = result;
  return {
    title: "Soak",
    about:
      `${seconds} s of mixed requests, ${requestsPerSecond} a second wanted: probes, flushes of ` +
      "all and listed, copies, stale, forged and junk.",
    header: [
      "sent",
      "to be answered",
      "missed",
      "sockets full",
      "RSS MiB settled / end",
      "growth",
      "descriptors",
    ],
    rows: [[
      sent.toLocaleString("en-US"),
      asked.toLocaleString("en-US"),
      String(missed),
      dropped.toLocaleString("en-US"),
      `${megabytes(settled.rss)} / ${megabytes(end.rss)}`,
      rssGrowth.toFixed(3),
      `${settled.descriptors} / ${end.descriptors}`,
    ]],
    notes: judgesGrowth(result)
      ? []
      : [`Too short to judge growth: RSS settles for ${settlingSeconds} s.`],
    broken: brokenPromises(result),
  };
}
