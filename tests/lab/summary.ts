/** From what was seen to a run's result, with times counted from the first failure. */
import type { Lane } from "./lanes.ts";
import { findSilences, outageAfter } from "./outage.ts";
import type { LaneResult, Moment, RunResult } from "./result.ts";
import { type ConnectedStation, ignoredArpPackets } from "./segment.ts";
import type { Watch } from "./watch.ts";

/** A lane whose host has been connected. */
export interface ConnectedLane extends Lane {
  readonly station: ConnectedStation;
}

/** Shorter silences are the machine's own hiccups. */
const leastSilenceMs = 100;

/** The result of a run; the failures and the end are on the watch's clock. */
export async function summarize(
  watch: Watch,
  hosts: readonly ConnectedLane[],
  failures: readonly number[],
  end: number,
): Promise<RunResult> {
  const origin = failures[0];
  const fromOrigin = failures.map((at) => at - origin);
  const results: LaneResult[] = [];
  for (const host of hosts) {
    const answers = (watch.answers.get(host.id) ?? []).map((at) => at - origin);
    results.push(await summarizeLane(host, answers, fromOrigin, end - origin));
  }
  const seen = watch.moments.map((moment) => ({ ...moment, at: moment.at - origin }));
  const moments = [...seen, ...results.flatMap(healings)];
  return {
    end: end - origin,
    failures: fromOrigin,
    moments: moments.filter(({ at, kind }) => at >= 0 && kind !== "note")
      .sort((a, b) => a.at - b.at),
    lanes: results,
  };
}

async function summarizeLane(
  { id, title, expected, station, ignoresGratuitousArp }: ConnectedLane,
  answers: readonly number[],
  failures: readonly number[],
  end: number,
): Promise<LaneResult> {
  const silences = findSilences(answers, end, leastSilenceMs);
  return {
    id,
    title,
    station: station.name,
    expected,
    answers: answers.length,
    ignoredArpPackets: ignoresGratuitousArp ? await ignoredArpPackets(station) : null,
    outages: failures.map((at, i) =>
      outageAfter(silences, at, { until: failures[i + 1] ?? end, end })
    ),
    silences,
  };
}

function healings({ id, station, silences }: LaneResult): Moment[] {
  return silences.flatMap(({ from, to }) => {
    if (to === null) return [];
    const text = `lane ${id} is answered again after ${(to - from).toFixed(0)} ms`;
    return [{ at: to, where: station, kind: "healed", text }];
  });
}
