/** Tells a person, a program and the system log how a run goes and ends. */
import type { ExchangeEvent } from "./exchange.ts";
import { jsonReport } from "./json_report.ts";
import { type LiveTable, startLiveTable } from "./live_table.ts";
import type { SendOptions } from "./options.ts";
import { exitCode, type Outcome } from "./outcome.ts";
import { say, write } from "./output.ts";
import { severityOf, summaryLine } from "./summary.ts";
import { logToSystem } from "./syslog.ts";
import { tableLines } from "./table.ts";
import { printable } from "../wire/text_field.ts";
import { offsetText } from "./verdict.ts";

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
