/** docs/lab.svg: which host was answered when in one run of the lab. */
import {
  hostName,
  type LaneResult,
  longestSilence,
  type Moment,
  outageRatio,
  type RunResult,
} from "./result.ts";
import { box, centered, element, svgDocument, text, vertical } from "./svg.ts";

const title = "Two failovers, seen from hosts side by side";
const width = 1000;
const plot = { left: 312, right: 970, top: 112 } as const;
const bar = { height: 30, step: 50 } as const;
/** What is shown before the first failure, in ms. */
const leadMs = 1_000;
/** Okabe and Ito's colors, which differ for every kind of color vision. */
const colors = {
  answered: "#009e73",
  silence: "#d55e00",
  router: "#56606b",
  flush: "#0072b2",
  event: "#1f2328",
  quiet: "#59636e",
  grid: "#c9d1d9",
} as const;

function dot(x: number, y: number, isRing = false): string {
  const fill = isRing ? "#ffffff" : colors.flush;
  return element("circle", {
    cx: x,
    cy: y,
    r: 3.5,
    fill,
    stroke: colors.flush,
    "stroke-width": 1.5,
  });
}

/** The picture of one run. */
export function pictureOf(run: RunResult): string {
  const perMs = (plot.right - plot.left) / (run.end + leadMs);
  const x = (at: number) => plot.left + (at + leadMs) * perMs;
  const bottom = plot.top + (run.lanes.length + 1) * bar.step;
  const height = bottom + 60;
  const ratio = outageRatio(run).toFixed(3);
  const introduction = "Real keepalived on two routers; every host probes their virtual address " +
    `each 10 ms. Here b is without an answer ${ratio} times as long as c.`;
  const parts = [
    element("title", {}, title),
    box(0, 0, width, "#ffffff", height),
    text(30, 34, title, { "font-size": 20, "font-weight": 600 }),
    text(30, 56, introduction, { fill: colors.quiet }),
    ...axis(run.end, x, bottom),
    ...routerRow(run, x, bottom),
    ...run.lanes.flatMap((lane, i) => laneRow(run, lane, x, plot.top + (i + 1) * bar.step)),
    ...legend(bottom + 36),
  ];
  return svgDocument(width, height, parts);
}

function axis(end: number, x: (at: number) => number, bottom: number): string[] {
  const label = "seconds after the first link went down";
  const parts = [
    text(plot.right, bottom + 38, label, { "text-anchor": "end", fill: colors.quiet }),
  ];
  for (let at = 0; at <= end; at += 2_000) {
    parts.push(
      vertical(x(at), plot.top - 10, bottom, { stroke: colors.grid }),
      text(x(at), bottom + 16, String(at / 1000), centered),
    );
  }
  return parts;
}

/** When each router was master, the requests that it sent, and each change across all lanes. */
function routerRow(run: RunResult, x: (at: number) => number, bottom: number): string[] {
  const y = plot.top;
  const ofKind = (kind: Moment["kind"]) => run.moments.filter((moment) => moment.kind === kind);
  const takeovers = run.failures.flatMap((failure) =>
    ofKind("master").find(({ at }) => at > failure) ?? []
  );
  const masters = [{ at: -leadMs, where: ofKind("link down")[0].where }, ...takeovers];
  const events = [
    ...ofKind("link down").map(({ at, where }) => ({ at, label: `${where}: link down` })),
    ...takeovers.map(({ at, where }) => ({ at, label: `${where}: master` })),
  ];
  const dashed = { stroke: colors.event, "stroke-width": 1.5, "stroke-dasharray": "4 3" };
  return [
    text(30, y + 20, "Master", { "font-weight": 600 }),
    text(90, y + 20, "the router that holds the address", { fill: colors.quiet }),
    ...masters.flatMap(({ at, where }, i) => {
      const [from, to] = [x(at), x(run.failures[i] ?? run.end)];
      const name = text((from + to) / 2, y + 20, where, { ...centered, fill: "#ffffff" });
      return [box(from, y, to, colors.router, bar.height), name];
    }),
    ...ofKind("request").map(({ at }) => dot(x(at), y - 6, true)),
    ...events.flatMap(({ at, label }) => [
      vertical(x(at), y - 14, bottom, dashed),
      text(x(at), y - 20, label, { ...centered, "font-size": 12 }),
    ]),
  ];
}

function laneRow(
  run: RunResult,
  lane: LaneResult,
  x: (at: number) => number,
  y: number,
): string[] {
  const { id, title, outages, silences } = lane;
  const summary = outages.some(({ healed }) => healed)
    ? outages.map(({ ms, healed }) => healed ? `${ms.toFixed(0)} ms` : "stuck").join(" and ")
    : `stuck for all ${(longestSilence(lane, run.end) / 1000).toFixed(1)} s`;
  const flushes = run.moments.filter(({ kind, where }) =>
    kind === "flush" && where === hostName(lane)
  );
  return [
    text(30, y + 13, id, { "font-weight": 600 }),
    text(46, y + 13, title),
    text(46, y + 29, summary, { fill: colors.quiet, "font-size": 12 }),
    box(x(-leadMs), y, x(run.end), colors.answered, bar.height),
    ...silences.flatMap(({ from, to }) => {
      const [start, end] = [Math.max(from, -leadMs), to ?? run.end];
      const label = `${((end - from) / 1000).toFixed(2)} s`;
      const middle = (x(start) + x(end)) / 2;
      const words = text(middle, y + 20, label, { ...centered, fill: "#ffffff" });
      return [
        box(x(start), y, x(end), colors.silence, bar.height),
        ...x(end) - x(start) < 60 ? [] : [words],
      ];
    }),
    ...flushes.map(({ at }) => dot(x(at), y - 6)),
  ];
}

function legend(y: number): string[] {
  return [
    box(30, y - 10, 48, colors.answered, 11),
    text(54, y, "answered"),
    box(130, y - 10, 148, colors.silence, 11),
    text(154, y, "no answer"),
    dot(242, y - 4, true),
    text(253, y, "request sent"),
    dot(357, y - 4),
    text(367, y, "cache flushed"),
  ];
}
