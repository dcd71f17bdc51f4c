/** The lab's findings as text. */
import { compared } from "./lanes.ts";
import { median } from "./outage.ts";
import type { Moment, RunResult } from "./result.ts";
import { medianOutage, ratioOf, ratioOfRun } from "./verdict.ts";

const seconds = (ms: number) => (ms / 1000).toFixed(3).padStart(8);

/** A run's moments in order, a line each; keepalived's lesser lines are left out. */
export function timelineText(run: RunResult): string {
  return run.moments.filter(isTold).map(({ at, where, text }) =>
    `${seconds(at)} s  ${where.padEnd(10)}  ${text}`
  ).join("\n");
}

/** Only the first of gratuitous ARP packets in a row. */
function isTold({ kind, at }: Moment, i: number, moments: readonly Moment[]): boolean {
  return at >= 0 && (kind !== "gratuitous ARP" || moments[i - 1]?.kind !== kind);
}

/** Every lane's outages, in ms, medians if there are several runs, and the ratio. */
export function outageTable(runs: readonly RunResult[]): string {
  const several = runs.length > 1 ? `, median of ${runs.length} runs` : "";
  const rows = [
    [`lane`, "first failover", "second failover"],
    ...runs[0].lanes.map((
      { id, title },
    ) => [`${id}  ${title}`, ...[0, 1].map((i) => cell(runs, id, i))]),
    [
      `${compared.lane}/${compared.with}`,
      ...[0, 1].map((i) => median(runs.map((run) => ratioOf(run, i))).toFixed(4)),
    ],
  ];
  const widths = [0, 1, 2].map((i) => Math.max(...rows.map((row) => row[i].length)));
  const table = rows.map((row) =>
    row.map((text, i) => text.padEnd(widths[i])).join("  ").trimEnd()
  );
  const ratio = median(runs.map(ratioOfRun)).toFixed(4);
  const sum = `Both failovers together: ${compared.lane}/${compared.with} = ${ratio}${several}`;
  return [`Outage in ms${several}`, ...table, sum].join("\n");
}

/** A lane's outage in one failover; of a lane that didn't heal the shortest over the runs. */
function cell(runs: readonly RunResult[], id: string, failover: number): string {
  const outages = runs.flatMap(({ lanes }) => lanes.filter((lane) => lane.id === id))
    .map(({ outages }) => outages[failover]);
  if (outages.every(({ healed }) => healed)) return medianOutage(runs, id, failover).toFixed(0);
  const least = Math.min(...outages.filter(({ healed }) => !healed).map(({ ms }) => ms));
  return `stuck, over ${(least / 1000).toFixed(1)} s`;
}
