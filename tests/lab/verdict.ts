/** What runs of the lab say: ratios, medians, and whether the lab may be called passed. */
import { compared } from "./lanes.ts";
import { median } from "./outage.ts";
import type { LaneResult, RunResult } from "./result.ts";

/** The least time that a stuck lane must have been stuck for. */
export const stuckLeastMs = 15_000;

function laneOf(run: RunResult, id: string): LaneResult {
  const lane = run.lanes.find((lane) => lane.id === id);
  if (lane === undefined) throw new RangeError(`There is no lane ${id}`);
  return lane;
}

/** The longest time a lane had no answer. */
export function longestSilence(lane: LaneResult, end: number): number {
  return Math.max(0, ...lane.silences.map(({ from, to }) => (to ?? end) - from));
}

/** The ratio of the compared lanes' outages in one failover. */
export function ratioOf(run: RunResult, failover: number): number {
  const [ours, theirs] = [compared.lane, compared.with].map((id) => laneOf(run, id));
  return ours.outages[failover].ms / theirs.outages[failover].ms;
}

/** The ratio of the compared lanes' outages, both failovers together. */
export function ratioOfRun(run: RunResult): number {
  const [ours, theirs] = [compared.lane, compared.with].map((id) =>
    laneOf(run, id).outages.reduce((sum, { ms }) => sum + ms, 0)
  );
  return ours / theirs;
}

/** The median of a lane's outage in one failover over runs. */
export function medianOutage(runs: readonly RunResult[], id: string, failover: number): number {
  return median(runs.map((run) => laneOf(run, id).outages[failover].ms));
}

/** What is wrong with a run, a line each; empty when every lane did what it must. */
export function faultsOf(run: RunResult): string[] {
  const faults: string[] = [];
  for (const lane of run.lanes) {
    const healed = lane.outages.map(({ healed }) => healed);
    const silent = longestSilence(lane, run.end);
    if (lane.expected === "heals") {
      healed.forEach((healed, i) => {
        if (!healed) faults.push(`Lane ${lane.id} did not heal after failover ${i + 1}`);
        if (lane.outages[i].ms === 0) faults.push(`Lane ${lane.id} noticed no failover ${i + 1}`);
      });
    } else if (healed.some(Boolean) || silent < stuckLeastMs) {
      faults.push(`Lane ${lane.id} healed by itself after ${(silent / 1000).toFixed(1)} s`);
    }
  }
  const reports = run.moments.filter(({ kind }) => kind === "report");
  if (reports.length < run.failures.length) {
    faults.push(`The system log has ${reports.length} reports of ${run.failures.length}`);
  }
  return faults;
}

/** The run whose ratio is the median one, or the nearest below it: the one to draw. */
export function middleRun(runs: readonly RunResult[]): RunResult {
  const sorted = runs.toSorted((a, b) => ratioOfRun(a) - ratioOfRun(b));
  return sorted[Math.floor((sorted.length - 1) / 2)];
}
