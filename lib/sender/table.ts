/** The outcome as a table for people. */
import { counted, listed } from "../text.ts";
import { printable } from "../wire/datagram.ts";
import {
  type ExitCode,
  exitCode,
  type HostOutcome,
  type HostState,
  isWell,
  offsetText,
  type Outcome,
  verdictText,
} from "./outcome.ts";

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

// The outcome in one line, for the end of a report and the system log.

/** Hosts or targets that a line names before it counts the rest. */
const maxNamed = 8;

const stateWord: Record<HostState, string> = {
  failed: "failed",
  stale: "refused as stale",
  stuck: "STUCK",
  "no answer": "without answer",
  healed: "healed",
  flushed: "flushed",
  alive: "alive",
};

/** What was sent where: `flush of the whole cache, 5 copies to 192.0.2.255`. */
function sentText({ action, copies, targets }: Outcome): string {
  const reached = targets.filter(({ sent, error }) => sent > 0 || error === null).map((
    { target },
  ) => target.hostname);
  const subject = {
    probe: "Probe",
    "flush all": "Flush",
    "flush listed": "Flush of listed addresses",
    password: "Password",
  }[action];
  return reached.length === 0
    ? `${subject} not sent`
    : `${subject}: ${counted(copies, "copy", "copies")} to ${listed(reached, maxNamed)}`;
}

/**
 * The outcome as a line without a line break: what was sent, how many hosts are in which state, and
 * by name those that something is wrong with.
 */
export function summaryLine(outcome: Outcome): string {
  const { hosts, missingCount, missingNames, targets, faults } = outcome;
  const parts = [sentText(outcome)];
  const states = Map.groupBy(hosts, ({ verdict }) => verdict.state);
  const counts = Array.from(states, ([state, own]) => `${own.length} ${stateWord[state]}`);
  if (missingCount > 0) counts.push(`${missingCount} missing`);
  if (outcome.action !== "password" && outcome.exitCode !== exitCode.nothingSent) {
    parts.push(
      `${counted(hosts.length, "host", "hosts")} answered${counts.length > 0 ? ": " : ""}` +
        counts.join(", "),
    );
  }
  const wrong = hosts.filter(({ verdict }) => !isWell(verdict.state)).map((one) =>
    `${one.host.name} ${verdictText(one.verdict, one.clockOffsetMs)}`
  );
  const named = [...wrong, ...missingNames.map((name) => `${printable(name)} missing`)];
  if (named.length > 0) parts.push(listed(named, maxNamed));
  for (const { target, sent, error } of targets) {
    if (sent === 0 && error !== null) parts.push(`cannot send to ${target.hostname}: ${error}`);
  }
  return [...parts, ...faults].join("; ");
}

/** How loud the system log should be about an exit code. */
export function severityOf(code: ExitCode): "info" | "warning" | "error" {
  return code === exitCode.healed ? "info" : code === exitCode.incomplete ? "warning" : "error";
}
