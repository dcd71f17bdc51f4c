/** The outcome as a table for people. */
import { askedHosts } from "../ask/verdicts.ts";
import { countText, listText } from "../text.ts";
import { type After, systemAfter } from "../time.ts";
import {
  actionOf,
  type ExitCode,
  exitCode,
  type HostVerdict,
  hostVerdicts,
  isProbe,
  type Outcome,
  type Verdict,
  verdictCounts,
  verdictOf,
} from "./outcome.ts";
import { offsetText } from "./verdict.ts";

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

/** Hosts or targets that a line names before it counts the rest. */
const maxNamed = 8;

/** What a count of hosts with a verdict is called. */
export const verdictWord: Record<Verdict, string> = {
  stuck: "STUCK",
  failed: "failed",
  "no answer": "without answer",
  unverified: "unverified",
  stale: "refused as stale",
  pending: "pending",
  healed: "healed",
  flushed: "flushed",
  alive: "alive",
  missing: "missing",
  ok: "ok",
  asked: "asked without proof",
  "not asked": "not asked",
};

/** What was sent where: `Flush: 5 copies to 192.0.2.255`. */
function sentText(outcome: Outcome): string {
  const { targets, copies } = outcome.record;
  const reached = targets.filter(({ sent, error }) => sent > 0 || error === null)
    .map(({ target }) => target.hostname);
  const action = actionOf(outcome);
  if (action === "none") return "No datagram";
  const subject = {
    probe: "Probe",
    "flush all": "Flush",
    "flush listed": "Flush of listed addresses",
    password: "Password",
  }[action];
  return reached.length === 0
    ? `${subject} not sent`
    : `${subject}: ${countText(copies, "copy", "copies")} to ${listText(reached, maxNamed)}`;
}

/**
 * The outcome as a line without a line break: what was sent, how many hosts are in which state, and
 * by name those that something is wrong with.
 */
export function summaryLine(outcome: Outcome): string {
  const { hosts, record, plan } = outcome;
  const parts = [sentText(outcome)];
  const counts = Array.from(
    verdictCounts(outcome),
    ([verdict, count]) => `${count} ${verdictWord[verdict]}`,
  );
  const isSigned = plan.exchange.content.kind === "signed";
  const asked = askedHosts(outcome.asked).length;
  const tallies = [
    ...isSigned && !record.hasLostAddresses
      ? [`${countText(hosts.length, "host", "hosts")} answered`]
      : [],
    ...asked > 0 ? [`${countText(asked, "host was", "hosts were")} asked`] : [],
  ];
  const told = [tallies, counts].filter((list) => list.length > 0).map((list) => list.join(", "));
  if (told.length > 0 && outcome.exitCode !== exitCode.nothingSent) parts.push(told.join(": "));
  const named = hostVerdicts(outcome).filter(({ isGood }) => !isGood)
    .map(({ name, text }) => `${name} ${text}`);
  if (named.length > 0) parts.push(listText(named, maxNamed));
  for (const { target, sent, error } of record.targets) {
    if (sent === 0 && error !== null) parts.push(`cannot send to ${target.hostname}: ${error}`);
  }
  const warnings = isSigned ? [...plan.warnings, ...remarks(outcome)] : [];
  return [...parts, ...plan.faults, ...outcome.hindrances, ...warnings, ...record.asked.remarks]
    .join("; ");
}

/** What else should be known of a run that asked for acks. */
function remarks(outcome: Outcome): string[] {
  const { hosts, own, missingCount, impostors, record } = outcome;
  const { elsewhere, uncounted, unverified, strayPorts } = record;
  const { first, last } = outcome.plan.sourcePorts;
  const ports = first === last ? `port ${first}` : `ports ${first} to ${last}`;
  const taken = first === last ? `${first} was taken` : `${first} to ${last} were taken`;
  const names = Map.groupBy(hosts, ({ name }) => name);
  const twice = [...names].filter(([, all]) => new Set(all.map(({ host }) => host.key)).size > 1);
  const tooMany = uncounted.get("too many hosts") ?? 0;
  const dropped = uncounted.get("too many at once") ?? 0;
  return [
    ...missingCount > 0 && hosts.length === 0 && outcome.exitCode !== exitCode.nothingSent &&
        outcome.asked.length === 0
      ? [
        `no ack came in${own.length > 0 ? " from others" : ""}: ` +
        `a firewall here must let in UDP to ${ports}`,
      ]
      : [],
    ...strayPorts.length > 0 ? [`acks went to port ${strayPorts.join(", ")}, since ${taken}`] : [],
    ...impostors.length > 0
      ? [
        `a pinned name was used by another key at ${
          listText(impostors.flatMap(({ addresses }) => [...addresses]), maxNamed)
        }`,
      ]
      : [],
    ...twice.length > 0
      ? [`several hosts are named ${listText(twice.map(([name]) => name), maxNamed)}`]
      : [],
    ...elsewhere.size > 0
      ? [`acks from where nothing was sent to: ${listText([...elsewhere.keys()], maxNamed)}`]
      : [],
    ...unverified > 0
      ? [`${countText(unverified, "ack was", "acks were")} not verified in time`]
      : [],
    ...tooMany > 0 ? [`${countText(tooMany, "ack", "acks")} of further hosts not counted`] : [],
    ...dropped > 0 ? [`${countText(dropped, "ack", "acks")} came too fast to be verified`] : [],
  ];
}

/** How loud the system log should be about an exit code. */
export function severityOf(code: ExitCode): "info" | "warning" | "error" {
  if (code === exitCode.good) return "info";
  return code === exitCode.notGood || code === exitCode.hindered ? "warning" : "error";
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
