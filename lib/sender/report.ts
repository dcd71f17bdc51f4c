/** Tells a person, a program and the system log how a run goes and ends. */
import { arpflushVersion } from "../version.ts";
import { formatLinkLayerAddress, formatPrefix } from "../wire/addresses.ts";
import { printable } from "../wire/datagram.ts";
import type { SendOptions } from "./arguments.ts";
import type { ExchangeEvent } from "./exchange.ts";
import { exitCode, type HostOutcome, offsetText, type Outcome } from "./outcome.ts";
import { say, write } from "./output.ts";
import { logToSystem } from "./syslog.ts";
import { severityOf, summaryLine, tableLines } from "./table.ts";

/** What is told besides the outcome. */
export interface Remarks {
  /** Lines for stderr. */
  readonly warnings: readonly string[];
  /** A first line for --verbose. */
  readonly opening: string;
}

export interface Reporter {
  /** Something happened in the exchange; `current` tells the outcome so far. */
  event(event: ExchangeEvent, current: () => Outcome): void;
  /** The run is over. */
  end(outcome: Outcome): Promise<void>;
}

/** A terminal that moves its cursor; "dumb" ones (an editor's shell) don't. */
function isScreen(): boolean {
  if (!Deno.stdout.isTerminal()) return false;
  const descriptor = { name: "env", variable: "TERM" } as const;
  const mayAsk = Deno.permissions.querySync(descriptor).state === "granted";
  return !mayAsk || Deno.env.get("TERM") !== "dumb";
}

function consoleSize(): { readonly columns: number; readonly rows: number } {
  try {
    const size = Deno.consoleSize();
    if (size.columns > 0 && size.rows > 0) return size;
  } catch {
    // No terminal any more: the lines still have to have some width.
  }
  return { columns: 80, rows: 24 };
}

/** Starts telling: once the first datagrams have left. */
export function startReporter(options: SendOptions, remarks: Remarks): Reporter {
  const { quiet, verbose, output, syslog } = options;
  const color = Deno.stdout.isTerminal() && !Deno.noColor;
  const isLive = output === "text" && !quiet && !verbose && isScreen();
  let table: LiveTable | undefined;
  if (!quiet) remarks.warnings.forEach(say);
  if (verbose) say(remarks.opening);

  return {
    event(event, current) {
      if (verbose) sayEvent(event);
      if (!isLive) return;
      if (table !== undefined) return table.update();
      const screen = { color, size: consoleSize, write: (text: string) => write("stdout", text) };
      table = startLiveTable(current, screen);
    },
    async end(outcome) {
      if (verbose) sayIgnored(outcome);
      const failed = outcome.exitCode === exitCode.nothingSent;
      if (output === "json") write("stdout", jsonReport(outcome));
      else if (table !== undefined) table.finish(outcome);
      else if (!quiet && !failed) {
        const lines = tableLines(outcome, { color, columns: null });
        write("stdout", lines.map((line) => `${line}\n`).join(""));
      }
      if (failed && table === undefined) say(summaryLine(outcome));
      if (syslog) await logToSystem(severityOf(outcome.exitCode), summaryLine(outcome));
    },
  };
}

function sayEvent(event: ExchangeEvent): void {
  switch (event.kind) {
    case "copy":
      return say(`Copy ${event.copy} sent`);
    case "ack": {
      const { address, ms, ack, clockOffsetMs } = event.answer;
      const clock = `its clock is ${offsetText(clockOffsetMs)}`;
      return say(
        `${event.host.name} at ${address}: ${ack.status} after ${ms.toFixed(0)} ms, ${clock}`,
      );
    }
    case "repair":
      return say(`${event.host.name}: repeated by its own clock`);
    case "ignored":
      return say(`Ignored a datagram from ${printable(event.address)}: ${event.fault}`);
  }
}

function sayIgnored({ ignored, targets }: Outcome): void {
  for (const [fault, count] of ignored) say(`${count} datagrams ignored: ${fault}`);
  for (const { target, sent, error } of targets) {
    if (error !== null && sent > 0) say(`Not every copy went to ${target.hostname}: ${error}`);
  }
}

// The outcome as one JSON document with every field.

/** Raised when a field goes or changes its meaning; new fields don't raise it. */
export const documentVersion = 1;

function hostDocument({ host, verdict, ms, entries, micros, clockOffsetMs }: HostOutcome) {
  return {
    host: host.name,
    addresses: [...host.answers.keys()],
    state: verdict.state,
    error: verdict.error,
    ms: Math.round(ms * 1000) / 1000,
    entries,
    flushMicros: micros,
    clockOffsetMs,
    repaired: host.repaired,
    acks: host.acks,
    reports: verdict.findings.map((one) => ({
      address: formatPrefix(one.address),
      state: one.state,
      linkLayerAddress: one.linkLayerAddress === null
        ? null
        : formatLinkLayerAddress(one.linkLayerAddress),
      finding: one.finding,
    })),
  };
}

/** The document's text, indented, with a line break at its end. */
export function jsonReport(outcome: Outcome): string {
  const document = {
    version: documentVersion,
    arpflush: arpflushVersion,
    exitCode: outcome.exitCode,
    summary: summaryLine(outcome),
    action: outcome.action,
    keyId: outcome.keyId,
    requestId: outcome.requestId?.toHex() ?? null,
    created: new Date(outcome.created).toISOString(),
    elapsedMs: Math.round(outcome.elapsedMs * 1000) / 1000,
    addresses: outcome.addresses.map(formatPrefix),
    copies: outcome.copies,
    targets: outcome.targets.map(({ target, sent, error }) => ({
      target: target.hostname,
      interfaces: target.interfaceNames,
      sent,
      error,
    })),
    faults: outcome.faults,
    hosts: outcome.hosts.map(hostDocument),
    missing: { count: outcome.missingCount, names: outcome.missingNames.map(printable) },
    ignored: Object.fromEntries(outcome.ignored),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

// A table on a terminal that follows what happens, and gives way to the last one at the end.

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
