/** What a section of measurements is, and the rows that it gives. */
import { formatNumber, median, pairedRatio, quantile } from "./statistics.ts";

/** One subject that is measured. Its name is the key in sections.ts. */
export interface Section {
  readonly title: string;
  /** What is measured and how to read it: the section's text in docs/figures.md. */
  readonly about: string;
  /** Programs without which nothing is measured. @default none */
  readonly needs?: readonly string[];
  /** Whether it measures the folder that `deno task pack` makes. @default false */
  readonly isPacked?: boolean;
  /** Whether it is a lab: it makes its namespaces itself, and is packed. @default false */
  readonly isLab?: boolean;
  /** The picture that the section writes beside its table, in docs/. @default none */
  readonly picture?: { readonly file: string; readonly alt: string };
  readonly run: (context: Context) => Promise<readonly Row[]>;
}

/** What a section is run with. */
export interface Context {
  /** For files, and with the compiled peers (peers.ts). */
  readonly folder: string;
  /** The packed folder if the section asks for it; null where the checkout is measured. */
  readonly packed: string | null;
  /** Tiny numbers: they show that the section works and its promises hold, no more. */
  readonly quick: boolean;
  /** For whatever the section draws at random. */
  readonly seed: number;
  /** How long a soak lasts. */
  readonly minutes: number;
  /** Whether the section replaces its picture in docs/. */
  readonly write: boolean;
  readonly progress: (line: string) => void;
}

/** Bounds of the ratio where a row has one, else of the value. */
interface Limits {
  readonly min?: number;
  readonly max?: number;
}

interface Bounds {
  /** What it should be. */
  readonly goal?: Limits;
  /** What it must be: beyond these the tool ends with status 1. */
  readonly promise?: Limits;
}

/** A figure. */
export interface Row extends Bounds {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The first and third quartile of the repetitions. */
  readonly middleHalf?: readonly [number, number];
  /** What was measured beside it in the same run, and how many times the peer's value this is. */
  readonly peer?: string;
  readonly ratio?: number;
}

/** A row of one reading. */
export const figure = (what: string, value: number, unit = "", limits: Bounds = {}): Row => ({
  ...{ what, value, unit },
  ...limits,
});

/** All repetitions of one measurement. */
export interface Samples<Value = number> {
  readonly what: string;
  readonly values: readonly Value[];
}

/**
 * Measures subjects in turn, so that what slows the machine for a while slows them alike; gives what
 * came of each. Rounds before round 0 warm up.
 */
export async function inTurn<Subject extends { readonly what: string }, Value>(
  subjects: readonly Subject[],
  rounds: { readonly warmUp?: number; readonly count: number },
  measure: (subject: Subject) => Promise<Value>,
): Promise<Samples<Value>[]> {
  const samples = subjects.map(({ what }) => ({ what, values: [] as Value[] }));
  for (let round = -(rounds.warmUp ?? 0); round < rounds.count; round++) {
    for (const [i, subject] of subjects.entries()) {
      const value = await measure(subject);
      if (round >= 0) samples[i].values.push(value);
    }
  }
  return samples;
}

/** A row of the samples' median, and of the ratio to a peer's, repetition by repetition. */
export function rowOf(
  { what, values }: Samples,
  unit: string,
  peer?: Samples,
  limits: Bounds = {},
): Row {
  const row = { what, value: median(values), unit, ...limits };
  const middleHalf = [quantile(values, 0.25), quantile(values, 0.75)] as const;
  const spread = values.length > 1 ? { middleHalf } : {};
  if (peer === undefined) return { ...row, ...spread };
  return { ...row, ...spread, peer: peer.what, ratio: pairedRatio(values, peer.values) };
}

/** Whether a row is within limits. */
function isWithin({ value, ratio }: Row, { min = -Infinity, max = Infinity }: Limits): boolean {
  const judged = ratio ?? value;
  return judged >= min && judged <= max;
}

/** A line for each promise that the rows break. */
export function brokenPromises(rows: readonly Row[]): string[] {
  return rows.filter((row) => row.promise !== undefined && !isWithin(row, row.promise))
    .map((row) => `${row.what}: ${figureText(row)}, ${limitText(row)}`);
}

/** A row's value with unit and middle half. */
function figureText({ value, unit, middleHalf }: Row): string {
  const figure = `${formatNumber(value)}${/^[%/]/.test(unit) ? "" : " "}${unit}`.trim();
  return figure + (middleHalf === undefined ? "" : ` (${middleHalf.map(formatNumber).join("–")})`);
}

/** A row's limits, and whether it is beyond them. */
function limitText(row: Row): string {
  const [limits, beyond] = row.goal === undefined
    ? [row.promise, " broken"]
    : [row.goal, " missed"];
  if (limits === undefined) return "";
  const { min, max } = limits;
  const texts = [
    ...min === undefined ? [] : [`≥${min.toLocaleString("en-US")}`],
    ...max === undefined ? [] : [`≤${max.toLocaleString("en-US")}`],
  ];
  return texts.join(" ") + (isWithin(row, limits) ? "" : beyond);
}

/**
 * A section's table, in columns of equal width. Those without a text are left out; the peer goes into
 * the column of ratios: into its head if all rows have the same one.
 */
export function tableText(rows: readonly Row[]): string {
  const peers = new Set(rows.flatMap(({ peer, ratio }) => ratio === undefined ? [] : [peer]));
  const [common] = peers.size === 1 ? peers : [];
  const ratioText = ({ peer, ratio }: Row) => {
    if (ratio === undefined) return "";
    const text = ratio.toFixed(Math.abs(ratio - 1) < 0.01 ? 3 : 2);
    return peer === common ? text : `${text} to ${peer}`;
  };
  const head = ["what", "figure", common === undefined ? "ratio" : `ratio to ${common}`, "limit"];
  const body = rows.map((row) => [row.what, figureText(row), ratioText(row), limitText(row)]);
  const used = head.map((_, i) => i).filter((i) => body.some((cells) => cells[i] !== ""));
  const lines = [head, ...body];
  const widths = head.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
  return lines.map((cells) => used.map((i) => cells[i].padEnd(widths[i])).join("  ").trimEnd())
    .join("\n");
}
