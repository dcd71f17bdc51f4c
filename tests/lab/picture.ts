/** The lab's picture: who answered when, a lane for each host, and below it each takeover closely. */
import { compared } from "./lanes.ts";
import { closeUp } from "./picture_close_up.ts";
import { colors } from "./picture_colors.ts";
import type { LaneResult, Moment, RunResult } from "./result.ts";
import { box, dot, line, picture, ring, scale, text } from "./svg.ts";
import { longestSilence, ratioOfRun } from "./verdict.ts";

const width = 1000;
const plot = { left: 312, right: 970, top: 112 } as const;
const lane = { height: 30, step: 50 } as const;
/** What is shown before the first failure. */
const leadMs = 1_000;

type Scale = (at: number) => number;

/** The picture of one run. */
export function pictureOf(run: RunResult): string {
  const title = "Two failovers, seen from hosts side by side";
  const x = scale([-leadMs, run.end], [plot.left, plot.right]);
  const rows = run.lanes.length + 1;
  const bottom = plot.top + rows * lane.step;
  const closeUps = run.failures.map((_, i) =>
    closeUp(run, i, { left: i === 0 ? 30 : 515, width: 455, top: bottom + 74 })
  );
  const height = Math.max(...closeUps.map(({ bottom }) => bottom)) + 16;
  return picture(width, height, title, [
    text(30, 34, title, { "font-size": 20, "font-weight": 600 }),
    text(30, 56, introduction(run), { fill: colors.quiet }),
    ...axis(run, x, bottom),
    ...events(run, x, bottom),
    ...routerRow(run, x),
    ...run.lanes.flatMap((result, i) => laneRow(run, result, x, plot.top + (i + 1) * lane.step)),
    ...legend(bottom + 36),
    ...closeUps.flatMap(({ parts }) => parts),
  ]);
}

function introduction(run: RunResult): string {
  const ratio = `${compared.lane} is without an answer ${ratioOfRun(run).toFixed(3)} times as long`;
  return "Real keepalived on two routers; every host probes their virtual address each 10 ms. " +
    `Here ${ratio} as ${compared.with}.`;
}

function legend(y: number): string[] {
  const bar = (at: number, fill: string) => box(at, y - 10, 18, 11, { fill, rx: 2 });
  return [
    bar(30, colors.answers),
    text(54, y, "answered"),
    bar(130, colors.silence),
    text(154, y, "no answer"),
    ring(242, y - 4, colors.flush),
    text(253, y, "request sent"),
    dot(357, y - 4, 4, colors.flush),
    text(367, y, "cache flushed"),
  ];
}

function axis(run: RunResult, x: Scale, bottom: number): string[] {
  const parts: string[] = [];
  for (let at = 0; at <= run.end; at += 1_000) {
    const labelled = at % 2_000 === 0;
    const grid = { stroke: labelled ? colors.grid : colors.faint, "stroke-width": 1 };
    parts.push(line([x(at), plot.top - 10], [x(at), bottom], grid));
    if (!labelled) continue;
    parts.push(text(x(at), bottom + 16, String(at / 1000), { "text-anchor": "middle" }));
  }
  const label = "seconds after the first link went down";
  parts.push(text(plot.right, bottom + 34, label, { "text-anchor": "end", fill: colors.quiet }));
  return parts;
}

/** When each router was master: until its link went down. */
function routerRow(run: RunResult, x: Scale): string[] {
  const y = plot.top;
  const parts = [
    text(30, y + 20, "Master", { "font-weight": 600 }),
    text(90, y + 20, "the router that holds the address", { fill: colors.quiet }),
  ];
  const takeovers = run.failures.map((failure) => mastersAfter(run, failure)[0]);
  const starts = [-leadMs, ...takeovers.map(({ at }) => at)];
  const names = [previousMaster(run), ...takeovers.map(({ where }) => where)];
  starts.forEach((start, i) => {
    const end = run.failures[i] ?? run.end;
    parts.push(
      box(x(start), y, x(end) - x(start), lane.height, { fill: colors.router, rx: 3 }),
      text((x(start) + x(end)) / 2, y + 20, names[i], { "text-anchor": "middle", fill: "#ffffff" }),
    );
  });
  for (const { at, kind } of run.moments) {
    if (kind === "datagram" && at > 0) parts.push(ring(x(at), y - 6, colors.flush));
  }
  return parts;
}

function previousMaster(run: RunResult): string {
  return run.moments.find(({ kind }) => kind === "link down")?.where ?? "";
}

function mastersAfter(run: RunResult, failure: number): Moment[] {
  return run.moments.filter(({ kind, at }) => kind === "master" && at > failure);
}

function laneRow(run: RunResult, result: LaneResult, x: Scale, y: number): string[] {
  const parts = [
    text(30, y + 13, result.id, { "font-weight": 600 }),
    text(46, y + 13, result.title),
    text(46, y + 29, summaryOf(run, result), { fill: colors.quiet, "font-size": 12 }),
    box(x(-leadMs), y, x(run.end) - x(-leadMs), lane.height, { fill: colors.answers, rx: 3 }),
  ];
  for (const silence of result.silences) {
    const [from, to] = [Math.max(silence.from, -leadMs), silence.to ?? run.end];
    if (to <= from) continue;
    const label = silence.to === null
      ? `no answer for ${((to - from) / 1000).toFixed(1)} s`
      : `${((to - from) / 1000).toFixed(2)} s`;
    parts.push(box(x(from), y, x(to) - x(from), lane.height, { fill: colors.silence }));
    if (x(to) - x(from) < 60) continue;
    const middle = (x(from) + x(to)) / 2;
    parts.push(text(middle, y + 20, label, { "text-anchor": "middle", fill: "#ffffff" }));
  }
  for (const { at, where, kind } of run.moments) {
    if (kind === "flush" && where === result.station && at > 0) {
      parts.push(dot(x(at), y - 6, 4, colors.flush));
    }
  }
  return parts;
}

function summaryOf(run: RunResult, result: LaneResult): string {
  if (!result.outages.some(({ healed }) => healed)) {
    return `stuck for all ${(longestSilence(result, run.end) / 1000).toFixed(1)} s`;
  }
  return result.outages.map(({ ms, healed }) => healed ? `${ms.toFixed(0)} ms` : "stuck")
    .join(" and ");
}

/** Failures and takeovers across all lanes, labelled above them. */
function events(run: RunResult, x: Scale, bottom: number): string[] {
  const parts: string[] = [];
  const failures = run.moments.filter(({ kind, at }) => kind === "link down" && at >= -1);
  const takeovers = run.failures.map((failure) => mastersAfter(run, failure)[0]);
  const labels = [
    ...failures.map(({ at, where }) => ({ at, label: `${where}: link down` })),
    ...takeovers.map(({ at, where }) => ({ at, label: `${where}: master` })),
  ];
  for (const { at, label } of labels) {
    const stroke = { stroke: colors.event, "stroke-width": 1.5, "stroke-dasharray": "4 3" };
    parts.push(
      line([x(at), plot.top - 14], [x(at), bottom], stroke),
      text(x(at), plot.top - 20, label, { "text-anchor": "middle", "font-size": 12 }),
    );
  }
  return parts;
}
