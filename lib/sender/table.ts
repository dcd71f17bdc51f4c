/** The outcome as a table for people. */
import { printable } from "../wire/text_field.ts";
import type { HostOutcome, Outcome } from "./outcome.ts";
import { summaryLine } from "./summary.ts";
import { type HostState, isWell, offsetText, verdictText } from "./verdict.ts";

/** How a line stands out on a terminal that knows colors. */
type Tone = "plain" | "good" | "doubtful" | "bad" | "heading";

const tones: Record<Tone, string> = {
  plain: "",
  good: "\x1b[32m",
  doubtful: "\x1b[33m",
  bad: "\x1b[31m",
  heading: "\x1b[1m",
};

function toneOf(state: HostState): Tone {
  if (state === "no answer" || state === "stale") return "doubtful";
  return isWell(state) ? "good" : "bad";
}

/** A clock that is off by less is not worth a column, unless the clock was asked for. */
const clockRemarkMs = 1000;

interface Row {
  readonly cells: readonly string[];
  readonly tone: Tone;
}

function hostRow(one: HostOutcome, showClock: boolean): Row {
  const { host, verdict, ms, entries, clockOffsetMs } = one;
  const [address, ...others] = host.answers.keys();
  return {
    cells: [
      host.name,
      others.length === 0 ? address : `${address} +${others.length}`,
      ms.toFixed(0),
      verdict.state === "failed" || verdict.state === "stale" ? "-" : String(entries),
      ...showClock ? [offsetText(clockOffsetMs)] : [],
      verdictText(verdict, clockOffsetMs),
    ],
    tone: toneOf(verdict.state),
  };
}

function rowsOf({ action, hosts, missingNames }: Outcome): Row[] {
  const isProbe = action === "probe";
  const showClock = isProbe ||
    hosts.some(({ clockOffsetMs }) => Math.abs(clockOffsetMs) >= clockRemarkMs);
  const clock = showClock ? ["CLOCK"] : [];
  const heading = ["HOST", "ADDRESS", "MS", isProbe ? "ENTRIES" : "REMOVED", ...clock, "STATE"];
  const missing = missingNames.map((name): Row => ({
    cells: [printable(name), ...Array(heading.length - 2).fill(""), "missing"],
    tone: "bad",
  }));
  const own = hosts.map((one) => hostRow(one, showClock));
  return own.length + missing.length === 0
    ? []
    : [{ cells: heading, tone: "heading" }, ...own, ...missing];
}

/** Columns of numbers are set to the right. */
const numberColumns = [2, 3];

function widthOf(text: string): number {
  return [...text].length;
}

function aligned(rows: readonly Row[]): string[] {
  const columns = rows[0]?.cells.length ?? 0;
  const widths = Array.from(
    { length: columns },
    (_, i) => rows.reduce((most, { cells }) => Math.max(most, widthOf(cells[i])), 0),
  );
  return rows.map(({ cells }) =>
    cells.map((cell, i) => {
      const padding = " ".repeat(widths[i] - widthOf(cell));
      return numberColumns.includes(i) ? padding + cell : cell + padding;
    }).join("  ").trimEnd()
  );
}

/** Options of a table. */
export interface TableStyle {
  readonly color: boolean;
  /** Lines are cut to this many columns; null: never. */
  readonly columns: number | null;
}

/**
 * The lines of a table: a heading and a row for each host and each missing name (nothing if there
 * are neither), and the summary. Names have gone through `printable`.
 */
export function tableLines(outcome: Outcome, { color, columns }: TableStyle): string[] {
  const cut = (line: string) => columns === null ? line : [...line].slice(0, columns).join("");
  const rows = rowsOf(outcome);
  const lines = aligned(rows).map((line, i) => {
    const tone = tones[rows[i].tone];
    return color && tone !== "" ? `${tone}${cut(line)}\x1b[0m` : cut(line);
  });
  return [...lines, cut(summaryLine(outcome))];
}
