/** What a section of measurements is, and the rows that it gives. */
import { formatNumber, median, pairedRatio, quantile } from "./statistics.ts";

/** One subject that is measured. Its name is the key in sections.ts. */
export interface Section {
  readonly title: string;
  /** What is measured and how to read it: the section's text in docs/figures.md. */
  readonly about: string;
  /** Programs without which nothing is measured. @default none */
  readonly needs?: readonly string[];
  /** Whether `run` is called outside of the namespaces made for the section. @default false */
  readonly runsOutside?: boolean;
  /** The picture that the section writes beside its table, in docs/. @default none */
  readonly picture?: { readonly file: string; readonly alt: string };
  /** Makes files ready in the context's folder, outside of the namespaces, with a network. */
  readonly prepare?: (folder: string) => Promise<void>;
  readonly run: (context: Context) => Promise<readonly Row[]>;
}

/** What a section is run with. */
export interface Context {
  /** For files, and with the compiled peers (peers.ts). */
  readonly folder: string;
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

interface Bounds {
  /** What it should be. */
  readonly goal?: Limits;
  /** What it must be: beyond these the tool ends with status 1. */
  readonly promise?: Limits;
}

/** A row of one reading. */
export const figure = (what: string, value: number, unit = "", limits: Bounds = {}): Row => ({
  ...{ what, value, unit },
  ...limits,
});

/** All repetitions of one measurement. */
interface Samples {
  readonly what: string;
  readonly values: readonly number[];
}

/**
 * Measures subjects in turn, so that what slows the machine for a while slows them alike; gives what
 * came of each. Rounds before round 0 warm up.
 */
export async function inTurn<Subject extends { readonly what: string }>(
  subjects: readonly Subject[],
  rounds: { readonly warmUp?: number; readonly count: number },
  measure: (subject: Subject) => Promise<number>,
): Promise<Samples[]> {
  const samples = subjects.map(({ what }) => ({ what, values: [] as number[] }));
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
    .map((row) => `${row.what}: ${cellsOf(row).slice(1).filter((cell) => cell !== "").join(", ")}`);
}

/** What `cellsOf` gives. */
export const columns = ["what", "figure", "peer", "ratio", "limit"] as const;

/** A row as the cells of its table. */
export function cellsOf(row: Row): string[] {
  const { what, value, unit, middleHalf, peer = "", ratio } = row;
  const figure = `${formatNumber(value)}${/^[%/]/.test(unit) ? "" : " "}${unit}`.trim();
  const spread = middleHalf === undefined ? "" : ` (${middleHalf.map(formatNumber).join("–")})`;
  return [
    what,
    figure + spread,
    peer,
    ratio === undefined ? "" : ratio.toFixed(Math.abs(ratio - 1) < 0.01 ? 3 : 2),
    limitText(row),
  ];
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
 * A section's table, in columns of equal width. Those without a text are left out; the peer goes into the
 * column of ratios: into its head if all rows have the same one. `parseTable` reads it back.
 */
export function tableText(rows: readonly (readonly string[])[]): string {
  const peers = new Set(rows.filter(([, , , ratio]) => ratio !== "").map(([, , peer]) => peer));
  const [common] = peers.size === 1 ? peers : [null];
  const head = ["what", "figure", common === null ? "ratio" : `ratio to ${common}`, "limit"];
  const body = rows.map(([what, figure, peer, ratio, limit]) => {
    const beside = ratio === "" ? peer : peer === common ? ratio : `${ratio} to ${peer}`;
    return [what, figure, beside, limit];
  });
  const used = head.map((_, i) => i).filter((i) => body.some((cells) => cells[i] !== ""));
  const lines = [head, ...body];
  const widths = head.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
  return lines.map((cells) => used.map((i) => cells[i].padEnd(widths[i])).join("  ").trimEnd())
    .join("\n");
}

/** The rows of such a table, by `columns`. */
export function parseTable(text: string): string[][] {
  const [head, ...body] = text.split("\n");
  const heads = [...head.matchAll(/\S+(?: \S+)*/g)];
  const common = /ratio to (.*?)(?: {2}|$)/.exec(head)?.[1] ?? "";
  return body.map((line) => {
    const of = (name: string) => {
      const at = heads.findIndex(([one]) => one.startsWith(name));
      return at < 0 ? "" : line.slice(heads[at].index, heads[at + 1]?.index).trim();
    };
    const beside = of("ratio");
    const [, ratio = "", peer = common] = /^([\d.]+)(?: to (.*))?$/.exec(beside) ?? [];
    return [of("what"), of("figure"), ratio === "" ? beside : peer, ratio, of("limit")];
  });
}
