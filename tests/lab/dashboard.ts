/**
 * docs/dashboard.svg: what Grafana shows of packaging/grafana-dashboard.json at the end of the scene.
 * Prometheus' own tool answers the queries; the drawing is ours. Writes it:
 *
 *     deno run -P=tests tests/lab/dashboard.ts
 */
import dashboard from "../../packaging/grafana-dashboard.json" with { type: "json" };
import { parseExposition } from "../../lib/exposition.ts";
import { outcomeOf } from "../support/command.ts";
import { playScene, type Scene } from "./dashboard_scene.ts";
import { box, centered, element, svgDocument, text } from "./svg.ts";

/** One value of a query's answer. */
interface Answer {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The answer to each panel's query at each second. */
type Answers = readonly (readonly (readonly Answer[])[])[];

type Panel = typeof dashboard.panels[number];

/** Series as promtool takes them: one value a second; times count from the scene's start. */
function seriesOf({ seconds, start }: Scene): { series: string; values: string }[] {
  const values = new Map<string, (number | "_")[]>();
  seconds.forEach((files, second) => {
    for (const [instance, content] of Object.entries(files)) {
      for (const [name, samples] of parseExposition(content) ?? []) {
        for (const { labels, value } of samples) {
          const all = Object.entries({ instance, ...labels });
          const pairs = all.map(([label, text]) => `${label}=${JSON.stringify(text)}`);
          const series = `${name}{${pairs.join(",")}}`;
          const own = values.get(series) ?? seconds.map(() => "_" as const);
          own[second] = name.endsWith("_timestamp_seconds") ? value - start : value;
          values.set(series, own);
        }
      }
    }
  });
  return Array.from(values, ([series, own]) => ({ series, values: own.join(" ") }));
}

/**
 * Has Prometheus' own tool answer every panel's query at every second: its tests of rules say what
 * they got where nothing was expected.
 */
export async function answersIn(scene: Scene): Promise<Answers> {
  const queries = dashboard.panels.map(({ targets: [{ expr }] }) => expr);
  const promql_expr_test = queries.flatMap((expr) =>
    scene.seconds.map((_, second) => ({ expr, eval_time: `${second}s`, exp_samples: [] }))
  );
  const test = { interval: "1s", input_series: seriesOf(scene), promql_expr_test };
  const file = await Deno.makeTempFile({ suffix: ".yml" });
  try {
    // YAML takes JSON.
    const tests = { evaluation_interval: "1s", tests: [test] };
    await Deno.writeTextFile(file, JSON.stringify(tests));
    const { stdout, stderr } = await outcomeOf(["promtool", "test", "rules", file]);
    const answers = queries.map(() => scene.seconds.map((): Answer[] => []));
    const got = /expr: ("(?:[^"\\]|\\.)*"), time: (\S+),\s+exp: .*\s+got: (.*)/g;
    for (const [, expr, time, samples] of (stdout + stderr).matchAll(got)) {
      const panel = queries.indexOf(JSON.parse(expr));
      answers[panel][secondsOf(time)].push(...parseSamples(samples));
    }
    return answers;
  } finally {
    await Deno.remove(file);
  }
}

/** `1m5s` as Prometheus writes it. */
function secondsOf(duration: string): number {
  const [, minutes = 0, seconds = 0] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? [];
  return Number(minutes) * 60 + Number(seconds);
}

function parseSamples(got: string): Answer[] {
  return Array.from(got.matchAll(/\{(.*?)\} ([-+.\dE]+)(?:, |$)/g), ([, labels, value]) => ({
    labels: Object.fromEntries(
      Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g), ([, name, text]) => [name, text]),
    ),
    value: Number(value),
  }));
}

const width = 1000;
/** Of Grafana's grid of 24 columns. */
const column = width / 24;
const row = 24;
const heading = 40;
/** Okabe and Ito's colors, which differ for every kind of color vision. */
const lines = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5f5f5f"];
const named: Readonly<Record<string, string>> = {
  green: "#009e73",
  orange: "#e69f00",
  red: "#d55e00",
  blue: "#0072b2",
};
const quiet = { fill: "#59636e", "font-size": 12 };

/** Where a panel is, in pixels. */
interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The picture of the dashboard at the scene's end. */
export function dashboardPicture(answers: Answers): string {
  const parts = dashboard.panels.flatMap((panel, i) => {
    const { x, y, w, h } = panel.gridPos;
    const [left, top] = [x * column + 4, heading + y * row + 4];
    const area = { left, top, right: (x + w) * column - 4, bottom: heading + (y + h) * row - 4 };
    const frame = box(left, top, area.right, "#ffffff", area.bottom - top);
    return [frame, ...panelParts(panel, answers[i], area)];
  });
  const rows = dashboard.panels.map(({ gridPos: { y, h } }) => y + h);
  const height = heading + Math.max(...rows) * row + 4;
  return svgDocument(width, height, [
    element("title", {}, `${dashboard.title}: ${dashboard.description}`),
    box(0, 0, width, "#eaeef2", height),
    text(12, 26, dashboard.title, { "font-size": 18, "font-weight": 600 }),
    text(width - 12, 26, "two routers, five hosts, half a minute in the lab", {
      ...quiet,
      "text-anchor": "end",
    }),
    ...parts,
  ]);
}

function panelParts(panel: Panel, answers: Answers[number], area: Area): string[] {
  const title = text(area.left + 10, area.top + 20, panel.title, { "font-weight": 600 });
  const last = answers.at(-1) ?? [];
  if (panel.type === "stat") return statParts(panel, last, area);
  if (answers.every((one) => one.length === 0)) {
    const middle = [(area.left + area.right) / 2, (area.top + area.bottom) / 2] as const;
    return [title, text(...middle, "No data", { ...quiet, ...centered })];
  }
  return [
    title,
    ...panel.type === "table" ? tableParts(last, area) : lineParts(panel, answers, area),
  ];
}

function statParts(panel: Panel, [answer]: readonly Answer[], area: Area): string[] {
  const { thresholds, noValue, unit } = panel.fieldConfig.defaults as {
    readonly thresholds?: { readonly steps: readonly { color: string; value: number | null }[] };
    readonly noValue?: string;
    readonly unit?: string;
  };
  const value = answer?.value ?? null;
  const step = thresholds?.steps.findLast((step) => (step.value ?? -Infinity) <= (value ?? 0));
  const shown = value === null ? noValue ?? "No data" : valueText(value, unit);
  const middle = (area.left + area.right) / 2;
  const white = { fill: "#ffffff" };
  return [
    box(
      area.left,
      area.top,
      area.right,
      named[step?.color ?? ""] ?? "#5f5f5f",
      area.bottom - area.top,
    ),
    text(area.left + 10, area.top + 20, panel.title, { ...white, "font-weight": 600 }),
    text(middle, area.bottom - 24, shown, { ...white, ...centered, "font-size": 30 }),
  ];
}

function valueText(value: number, unit: string | undefined): string {
  return unit === "s" ? `${Number(value.toFixed(1))} s` : String(Number(value.toFixed(1)));
}

function tableParts(rows: readonly Answer[], { left, right, top }: Area): string[] {
  const columns = ["host", "address", "instance"];
  const x = (i: number) => left + 10 + i * (right - left) / columns.length;
  const shown = columns.map((name) => name === "instance" ? "says" : name);
  return [
    ...shown.map((name, i) => text(x(i), top + 48, name, quiet)),
    ...rows.flatMap(({ labels }, n) =>
      columns.map((name, i) => text(x(i), top + 72 + n * 20, labels[name] ?? ""))
    ),
  ];
}

/** One line of a panel. */
interface Line {
  readonly name: string;
  readonly color: string;
  /** A value a second; null: none. */
  readonly values: readonly (number | null)[];
}

function linesOf(panel: Panel, answers: Answers[number]): Line[] {
  const [{ legendFormat = "" }] = panel.targets as { readonly legendFormat?: string }[];
  const nameOf = ({ labels }: Answer) =>
    legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? "").trim();
  const names = [...new Set(answers.flatMap((one) => one.map(nameOf)))].sort();
  return names.map((name, i) => ({
    name,
    color: fixedColor(panel, name) ?? lines[i % lines.length],
    values: answers.map((one) => one.find((answer) => nameOf(answer) === name)?.value ?? null),
  }));
}

/** The color that the panel's overrides give a line. */
function fixedColor(panel: Panel, name: string): string | null {
  const override = panel.fieldConfig.overrides.find(({ matcher }) =>
    new RegExp(matcher.options.replaceAll("/", "")).test(name)
  );
  return override === undefined ? null : named[override.properties[0].value.fixedColor];
}

function lineParts(panel: Panel, answers: Answers[number], area: Area): string[] {
  const all = linesOf(panel, answers);
  const { custom, unit } = panel.fieldConfig.defaults as {
    readonly unit?: string;
    readonly custom?: { readonly stacking?: { readonly mode: string } };
  };
  const isStacked = custom?.stacking?.mode === "normal";
  const heights = answers.map((one) =>
    one.reduce((height, { value }) => isStacked ? height + value : Math.max(height, value), 0)
  );
  const max = Math.max(1, ...heights);
  const [left, bottom] = [area.left + 40, area.bottom - 46];
  const perSecond = (area.right - 12 - left) / answers.length;
  const x = (second: number) => left + second * perSecond;
  const y = (value: number) => bottom - value / max * (bottom - area.top - 46);
  const below = answers.map(() => 0);
  const shapes = all.flatMap(({ color, values }) =>
    stretchesOf(values, below).map(({ from, to, value, base }) => {
      const [x1, x2, top] = [x(from), x(to), y(base + value)];
      if (!isStacked) {
        const ends = { x1, y1: top, x2, y2: top };
        return element("line", { ...ends, stroke: color, "stroke-width": 3 });
      }
      for (let second = from; second < to; second++) below[second] += value;
      return element("rect", { x: x1, y: top, width: x2 - x1, height: y(base) - top, fill: color });
    })
  );
  const marks = [0, max].map((value) =>
    text(left - 6, y(value) + 4, valueText(value, unit), { ...quiet, "text-anchor": "end" })
  );
  const tens = answers.flatMap((_, second) => second % 10 === 0 ? [second] : []);
  const times = tens.map((at) => text(x(at), bottom + 16, `${at} s`, { ...quiet, ...centered }));
  return [...shapes, ...marks, ...times, ...legendParts(all, left, area.bottom - 10)];
}

/** Times during which a line, and what is below it, keep their values. */
function stretchesOf(values: Line["values"], below: readonly number[]) {
  const stretches: { from: number; to: number; value: number; base: number }[] = [];
  values.forEach((value, second) => {
    const last = stretches.at(-1);
    if (value === null) return;
    if (last?.to === second && last.value === value && last.base === below[second]) last.to++;
    else stretches.push({ from: second, to: second + 1, value, base: below[second] });
  });
  return stretches;
}

function legendParts(all: readonly Line[], left: number, y: number): string[] {
  let x = left;
  return all.flatMap(({ name, color }) => {
    const from = x;
    x += 26 + name.length * 7;
    return [box(from, y - 9, from + 10, color, 9), text(from + 14, y, name, quiet)];
  });
}

if (import.meta.main) {
  const scene = await playScene();
  if (scene.faults.length > 0) throw new Error(scene.faults.join("\n"));
  const picture = dashboardPicture(await answersIn(scene));
  await Deno.writeTextFile(new URL("../../docs/dashboard.svg", import.meta.url), picture);
  console.log("Made docs/dashboard.svg");
}
