/** The outcome as a table for people. */
import { type After, systemAfter } from "../time.ts";
import { actionOf, isProbe, type Outcome } from "./outcome.ts";
import { type HostVerdict, hostVerdicts, offsetText, summaryLine, verdictOf } from "./summary.ts";

/** How a line stands out on a terminal that knows colors. */
type Tone = "plain" | "good" | "doubtful" | "bad" | "heading";

const tones: Record<Tone, string> = {
  plain: "",
  good: "\x1b[32m",
  doubtful: "\x1b[33m",
  bad: "\x1b[31m",
  heading: "\x1b[1m",
};

function toneOf({ verdict, isGood }: HostVerdict): Tone {
  if (verdict === "stuck" || verdict === "failed" || verdict === "missing") return "bad";
  return isGood && verdict !== "asked" ? "good" : "doubtful";
}

/** A clock that is off by less is not worth a column, unless the clock was asked for. */
const clockRemarkMs = 1000;

/** A line of a table. */
export interface Row {
  readonly cells: readonly string[];
  readonly tone: Tone;
}

function rowOf(host: HostVerdict, showClock: boolean): Row {
  const { name, addresses: [address = "", ...others], ms, entries, clock, text } = host;
  const none = ms === null ? "" : "-";
  return {
    cells: [
      name,
      others.length === 0 ? address : `${address} +${others.length}`,
      ms === null ? none : ms.toFixed(0),
      entries === null ? none : String(entries),
      ...showClock ? [clock === null ? none : offsetText(clock)] : [],
      text,
    ],
    tone: toneOf(host),
  };
}

/** The worst first, then this machine, then who is missing. */
function rowsOf(outcome: Outcome): Row[] {
  const showClock = actionOf(outcome) === "probe" ||
    outcome.hosts.some(({ host: { clock } }) => Math.abs(clock.ms) >= clockRemarkMs);
  const clock = showClock ? ["CLOCK"] : [];
  const entries = isProbe(outcome) ? "ENTRIES" : "REMOVED";
  const heading = ["HOST", "ADDRESS", "MS", entries, ...clock, "STATE"];
  const { wrong = [], right = [], missing = [] } = Object.groupBy(
    hostVerdicts(outcome),
    ({ verdict, isGood }) => isGood ? "right" : verdict === "missing" ? "missing" : "wrong",
  );
  const own = outcome.own.map((result): Row => {
    const verdict = verdictOf(result, null);
    const text = `${verdict.text} (this machine)`;
    return { ...rowOf({ ...verdict, text }, showClock), tone: "plain" };
  });
  const rows = [
    ...[...wrong, ...right].map((host) => rowOf(host, showClock)),
    ...own,
    ...missing.map((host) => rowOf(host, showClock)),
  ];
  return rows.length === 0 ? [] : [{ cells: heading, tone: "heading" }, ...rows];
}

/** Letters that terminals show two columns wide: those of Unicode's East Asian Width W and F. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18d08}\u{1aff0}-\u{1b2fb}\u{20000}-\u{3fffd}]/u;

/** Columns that a text takes on a terminal. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += wide.test(character) ? 2 : 1;
  return width;
}

/** Options of a table. */
interface TableStyle {
  readonly color: boolean;
  /** Lines are cut to this many columns; null: never. */
  readonly columns: number | null;
}

/** Rows as lines whose columns are aligned, those with numbers to the right. */
export function rowLines(
  rows: readonly Row[],
  numberColumns: readonly number[],
  { color, columns }: TableStyle,
): string[] {
  const widths = rows[0]?.cells.map((_, i) =>
    rows.reduce((most, { cells }) => Math.max(most, widthOf(cells[i])), 0)
  );
  return rows.map(({ cells, tone }) => {
    const line = cells.map((cell, i) => {
      const padding = " ".repeat(widths[i] - widthOf(cell));
      return numberColumns.includes(i) ? padding + cell : cell + padding;
    }).join("  ").trimEnd();
    const shown = cutLine(line, columns);
    return color && tones[tone] !== "" ? `${tones[tone]}${shown}\x1b[0m` : shown;
  });
}

function cutLine(line: string, columns: number | null): string {
  if (columns === null) return line;
  let shown = "", left = columns;
  for (const character of line) {
    left -= widthOf(character);
    if (left < 0) break;
    shown += character;
  }
  return shown;
}

/** MS, and REMOVED or ENTRIES. */
const numberColumns = [2, 3];

/**
 * The lines of a table: a heading and a row for each host and each missing name (nothing if there
 * are neither), and the summary. Names have gone through `printable`.
 */
export function tableLines(outcome: Outcome, style: TableStyle): string[] {
  return [
    ...rowLines(rowsOf(outcome), numberColumns, style),
    cutLine(summaryLine(outcome), style.columns),
  ];
}

/** The shortest time from one drawing to the next, in ms: hosts may answer by the hundred. */
const drawIntervalMs = 50;

/** What a live table needs of its terminal. */
interface Screen {
  readonly color: boolean;
  /** Its size now, in characters. */
  size(): { readonly columns: number; readonly rows: number };
  write(text: string): void;
}

/** A table on a terminal that shows what `current` tells and is drawn over itself. */
export class LiveTable {
  readonly #current: () => Outcome;
  readonly #screen: Screen;
  readonly #after: After;
  #drawnLines = 0;
  #cancel: (() => void) | null = null;

  constructor(current: () => Outcome, screen: Screen, after: After = systemAfter) {
    this.#current = current;
    this.#screen = screen;
    this.#after = after;
    this.#draw();
  }

  /** Something has changed: the table is drawn anew soon. */
  update(): void {
    this.#cancel ??= this.#after(drawIntervalMs, () => this.#draw());
  }

  /** Writes the whole last table in the place of this one. */
  finish(outcome: Outcome): void {
    this.#cancel?.();
    this.#replaceBy(tableLines(outcome, { color: this.#screen.color, columns: null }));
  }

  #draw(): void {
    this.#cancel = null;
    const { columns, rows } = this.#screen.size();
    const lines = tableLines(this.#current(), { color: this.#screen.color, columns: columns - 1 });
    const max = Math.max(rows - 2, 2);
    const hidden = lines.length - max;
    // The first lines and the summary stay in sight; what scrolls off can't be drawn over.
    if (hidden > 0) lines.splice(max - 2, hidden + 1, `… ${hidden + 1} more`);
    this.#replaceBy(lines);
  }

  #replaceBy(lines: readonly string[]): void {
    // Up to the first line drawn, then clear from there to the end of the screen.
    const back = this.#drawnLines > 0 ? `\x1b[${this.#drawnLines}A\x1b[J` : "";
    this.#screen.write(back + lines.map((line) => `${line}\n`).join(""));
    this.#drawnLines = lines.length;
  }
}
