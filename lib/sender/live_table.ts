/** A table on a terminal that follows what happens, and gives way to the last one at the end. */
import type { Outcome } from "./outcome.ts";
import { tableLines } from "./table.ts";

/** What a live table needs of its terminal. */
export interface Screen {
  readonly color: boolean;
  /** Size now, in characters. */
  size(): { readonly columns: number; readonly rows: number };
  write(text: string): void;
}

export interface LiveTable {
  /** Something has changed: the table is drawn anew soon. */
  update(): void;
  /** Takes the table away and writes the whole last one in its place. */
  finish(outcome: Outcome): void;
}

/** The shortest time from one drawing to the next: hosts may answer by the hundred. */
const drawIntervalMs = 50;

/** A live table of what `current` tells. */
export function startLiveTable(current: () => Outcome, screen: Screen): LiveTable {
  let drawnLines = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function replaceBy(lines: readonly string[]): void {
    // Up to the first line drawn, then clear from there to the end of the screen.
    const back = drawnLines > 0 ? `\x1b[${drawnLines}A\x1b[J` : "";
    screen.write(back + lines.map((line) => `${line}\n`).join(""));
    drawnLines = lines.length;
  }

  function draw(): void {
    timer = undefined;
    const { columns, rows } = screen.size();
    const lines = tableLines(current(), { color: screen.color, columns: columns - 1 });
    const most = Math.max(rows - 2, 2);
    const hidden = lines.length - most;
    // The head of the table and its summary stay in sight; what scrolls off can't be drawn over.
    if (hidden > 0) lines.splice(most - 2, hidden + 1, `… ${hidden + 1} more`);
    replaceBy(lines);
  }

  draw();
  return {
    update() {
      timer ??= setTimeout(draw, drawIntervalMs);
    },
    finish(outcome) {
      clearTimeout(timer);
      replaceBy(tableLines(outcome, { color: screen.color, columns: null }));
    },
  };
}
