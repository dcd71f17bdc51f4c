/** Tells a person, a program and the system log how a run goes and ends. */
import { printable } from "../wire/datagram.ts";
import type { SendOptions } from "./arguments.ts";
import type { ExchangeEvent } from "./exchange.ts";
import { offsetText } from "./hosts.ts";
import { jsonReport } from "./json_report.ts";
import { exitCode, type Outcome } from "./outcome.ts";
import { say, write } from "./output.ts";
import type { Plan } from "./preparation.ts";
import { logToSystem } from "./syslog.ts";
import { LiveTable, severityOf, summaryLine, tableLines } from "./table.ts";

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

/** Tells of a run. It is made once the first datagrams have left. */
export class Reporter {
  readonly #options: SendOptions;
  readonly #color: boolean;
  readonly #isLive: boolean;
  #table: LiveTable | undefined;

  constructor(options: SendOptions, { faults, warnings, opening }: Plan) {
    const { quiet, verbose, output } = options;
    this.#options = options;
    this.#color = Deno.stdout.isTerminal() && !Deno.noColor;
    this.#isLive = output === "text" && !quiet && !verbose && isScreen();
    if (!quiet) [...faults, ...warnings].forEach(say);
    if (verbose) say(opening);
  }

  /** Something happened in the exchange; `current` tells the outcome so far. */
  event(event: ExchangeEvent, current: () => Outcome): void {
    if (this.#options.verbose) say(eventText(event));
    if (!this.#isLive) return;
    if (this.#table !== undefined) return this.#table.update();
    const writeOut = (text: string) => void write("stdout", text);
    this.#table = new LiveTable(current, {
      color: this.#color,
      size: consoleSize,
      write: writeOut,
    });
  }

  /** The run is over. */
  async end(outcome: Outcome): Promise<void> {
    const { quiet, verbose, output, syslog } = this.#options;
    if (verbose) lossTexts(outcome).forEach(say);
    const isSent = outcome.exitCode !== exitCode.nothingSent;
    if (output === "json") write("stdout", jsonReport(outcome));
    else if (this.#table !== undefined) this.#table.finish(outcome);
    else if (!quiet && isSent) {
      const lines = tableLines(outcome, { color: this.#color, columns: null });
      write("stdout", lines.map((line) => `${line}\n`).join(""));
    }
    if (!isSent && this.#table === undefined) say(summaryLine(outcome));
    if (syslog) await logToSystem(severityOf(outcome.exitCode), summaryLine(outcome));
  }
}

function eventText(event: ExchangeEvent): string {
  switch (event.kind) {
    case "copy":
      return `Copy ${event.copy} sent`;
    case "ack": {
      const { address, ms, ack: { status }, clock } = event.received;
      const clockText = `its clock is ${offsetText(clock)}`;
      return `${event.host.name} at ${address}: ${status} after ${ms.toFixed(0)} ms, ${clockText}`;
    }
    case "repair":
      return `${event.host.name}: repeated by its own clock`;
    case "ignored":
      return `Ignored a datagram from ${printable(event.address)}: ${event.fault}`;
  }
}

/** What came or went in vain. */
function lossTexts({ record: { ignored, targets } }: Outcome): string[] {
  return [
    ...Array.from(ignored, ([fault, count]) => `${count} datagrams ignored: ${fault}`),
    ...targets.filter(({ sent, error }) => sent > 0 && error !== null)
      .map(({ target, error }) => `Not every copy went to ${target.hostname}: ${error}`),
  ];
}
