/** A takeover closely: each step from the new master's first moment to the last host healed. */
import { colors } from "./picture_colors.ts";
import type { Moment, RunResult } from "./result.ts";
import { dot, line, scale, text } from "./svg.ts";

/** Where a close-up goes. */
export interface Frame {
  readonly left: number;
  readonly width: number;
  readonly top: number;
}

interface Step {
  readonly at: number;
  readonly label: string;
  readonly color: string;
}

const rowHeight = 24;
const labelWidth = 205;
/** Room for the figure right of the last dot. */
const figureWidth = 60;

/** The close-up of one failover, and the y where it ends. */
export function closeUp(
  run: RunResult,
  failover: number,
  { left, width, top }: Frame,
): { parts: string[]; bottom: number } {
  const steps = stepsOf(run, failover);
  const span = niceCeiling(Math.max(...steps.map(({ at }) => at)));
  const plotLeft = left + labelWidth;
  const plotRight = left + width - figureWidth;
  const x = scale([0, span], [plotLeft, plotRight]);
  const rowsTop = top + 18;
  const bottom = rowsTop + steps.length * rowHeight;
  const ordinal = ["First", "Second"][failover];
  const parts = [text(left, top, `${ordinal} takeover, close up`, { "font-weight": 600 })];
  for (let tick = 0; tick <= span; tick += span / 4) {
    parts.push(
      line([x(tick), rowsTop], [x(tick), bottom], { stroke: colors.grid }),
      text(x(tick), bottom + 16, String(tick), { "text-anchor": "middle" }),
    );
  }
  steps.forEach(({ at, label, color }, i) => {
    const y = rowsTop + (i + 0.5) * rowHeight;
    parts.push(
      text(left, y + 4, label),
      line([x(0), y], [x(at), y], { stroke: color, "stroke-width": 3 }),
      dot(x(at), y, 5, color),
      text(x(at) + 10, y + 4, `${at.toFixed(0)} ms`, { "font-weight": 600 }),
    );
  });
  const label = "milliseconds after the router became master";
  const end = { "text-anchor": "end", fill: colors.quiet };
  parts.push(text(left + width, bottom + 34, label, end));
  return { parts, bottom: bottom + 34 };
}

/** The steps of a takeover in the order they came, in ms after the router became master. */
function stepsOf(run: RunResult, failover: number): Step[] {
  const until = run.failures[failover + 1] ?? run.end;
  const master = run.moments.find(({ kind, at }) =>
    kind === "master" && at > run.failures[failover]
  );
  if (master === undefined) return [];
  const after = run.moments.filter(({ at }) => at >= master.at && at < until);
  const firstOf = (kind: Moment["kind"], where?: string) =>
    after.find((moment) => moment.kind === kind && (where ?? moment.where) === moment.where);
  const steps: { moment: Moment | undefined; label: string; color: string }[] = [
    {
      moment: firstOf("gratuitous ARP"),
      label: `${master.where} sends gratuitous ARP`,
      color: colors.router,
    },
    {
      moment: firstOf("datagram"),
      label: `${master.where} sends the request`,
      color: colors.router,
    },
  ];
  for (const { id, station } of run.lanes) {
    const flush = firstOf("flush", station);
    steps.push({ moment: flush, label: `${id} logs its flush`, color: colors.flush });
    steps.push({
      moment: firstOf("healed", station),
      label: `${id} is answered again`,
      color: colors.answers,
    });
  }
  return steps.flatMap(({ moment, ...step }) =>
    moment === undefined ? [] : [{ ...step, at: moment.at - master.at }]
  ).toSorted((a, b) => a.at - b.at);
}

/** The least of 20, 40, 80, 200, 400, … that is not below a value. */
function niceCeiling(value: number): number {
  for (let power = 10;; power *= 10) {
    for (const factor of [2, 4, 8]) if (value <= factor * power) return factor * power;
  }
}
