/** Tells a person, a program and the system log how a run goes and ends. */
import type { AskResult } from "../ask/verdicts.ts";
import { arpflushVersion } from "../version.ts";
import { formatLinkLayerAddress, formatPrefix } from "../wire/addresses.ts";
import { printable, printableName } from "../text.ts";
import { formatKey } from "../wire/keys.ts";
import type { ExchangeEvent, ExchangeRecord } from "./exchange.ts";
import { actionOf, exitCode, type Outcome, outcomeOf } from "./outcome.ts";
import { say, write } from "./output.ts";
import type { Plan } from "./preparation.ts";
import { logToSystem } from "../unix_datagram.ts";
import { askedText, offsetText, severityOf, stateText, summaryLine } from "./summary.ts";
import { LiveTable, tableLines } from "./table.ts";
import type { HostResult } from "./verdict.ts";

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
  readonly #color = Deno.stdout.isTerminal() && !Deno.noColor;
  readonly #isLive: boolean;
  #table: LiveTable | undefined;
  /** Verbose lines in the present second, and when it began. */
  #lines = 0;
  #second = 0;
  /** What hindered the report, beside what the plan knows. */
  readonly #hindrances: string[] = [];

  constructor(readonly plan: Plan, readonly record: ExchangeRecord) {
    const { options: { quiet, verbose, output }, faults, hindrances, warnings, opening } = plan;
    this.#isLive = output === "text" && !quiet && !verbose && isScreen();
    // They are in the one line, too.
    if (!quiet && output !== "line") [...faults, ...hindrances, ...warnings].forEach(say);
    if (verbose) say(opening);
  }

  /** The outcome so far. */
  #outcome(): Outcome {
    return outcomeOf(this.plan, this.record, this.#hindrances);
  }

  /** Something happened in the exchange. */
  event(event: ExchangeEvent): void {
    if (this.plan.options.verbose) this.#sayEvent(event);
    if (!this.#isLive) return;
    if (this.#table !== undefined) return this.#table.update();
    this.#table = new LiveTable(() => this.#outcome(), {
      color: this.#color,
      size: consoleSize,
      write: (text) => void write("stdout", text),
    });
  }

  /** The network decides how many events there are: so many a second are said, the rest counted. */
  #sayEvent(event: ExchangeEvent): void {
    const second = Math.floor(performance.now() / 1_000);
    if (second !== this.#second) {
      if (this.#lines > maxLinesPerSecond) say(`${this.#lines - maxLinesPerSecond} more`);
      this.#lines = 0;
      this.#second = second;
    }
    if (++this.#lines <= maxLinesPerSecond) say(eventText(event));
  }

  /** The run is over: reports it, and resolves with what it came to. */
  async end(): Promise<Outcome> {
    const { quiet, verbose, output } = this.plan.options;
    const isLogged = await this.#keep();
    if (verbose) lossTexts(this.record).forEach(say);
    const outcome = this.#outcome();
    const isSent = outcome.exitCode !== exitCode.nothingSent;
    if (output === "json" || output === "pins") {
      const text = output === "json"
        ? jsonReport(outcome)
        : outcome.hosts.map((host) => `${pinLine(host)}\n`).join("");
      if (!write("stdout", text)) this.#hinder(["cannot write to stdout"]);
    } else if (output === "line") {
      if (isSent && !isLogged && !quiet) say(summaryLine(outcome));
    } else if (this.#table !== undefined) this.#table.finish(outcome);
    else if (!quiet && isSent) {
      const lines = tableLines(outcome, { color: this.#color, columns: null });
      write("stdout", lines.map((line) => `${line}\n`).join(""));
    }
    if (!isSent && this.#table === undefined) say(summaryLine(outcome));
    return this.#outcome();
  }

  /**
   * Writes to files and the system log what is to stay of the run; what hinders that is part of it.
   * Resolves with whether the system log has it.
   */
  async #keep(): Promise<boolean> {
    const { historyFile, metricsFile, syslog } = this.plan.options;
    if (historyFile !== null || metricsFile !== null) {
      const { keepRun } = await import("./run_files.ts");
      this.#hinder(await keepRun(this.#outcome(), this.plan.options));
    }
    if (!syslog) return false;
    const outcome = this.#outcome();
    const isLogged = await logToSystem(severityOf(outcome.exitCode), summaryLine(outcome));
    if (!isLogged) this.#hinder(["no system log took the line of --syslog"]);
    return isLogged;
  }

  /** Says what hinders the report. */
  #hinder(lines: readonly string[]) {
    lines.forEach(say);
    this.#hindrances.push(...lines);
  }
}

/** Lines that -v says in a second before it counts the rest. */
const maxLinesPerSecond = 200;

function eventText(event: ExchangeEvent): string {
  switch (event.kind) {
    case "copy":
      return `Copy ${event.copy} sent`;
    case "ack": {
      const { host, answer: { address, ms, ack: { status }, clock } } = event.noted;
      const name = printableName(host.name) || address;
      const clockText = `its clock is ${offsetText(clock)}`;
      return `${name} at ${address}: ${status} after ${ms.toFixed(0)} ms, ${clockText}`;
    }
    case "follow-up": {
      const { kind, address } = event.followUp;
      return kind === "repair"
        ? `${address}: asked again with its challenge`
        : `${address}: asked again whether it has flushed`;
    }
    case "asked": {
      const { host, name, ms, verdict } = event.result;
      const text = askedText({ verdict, results: [event.result] });
      return `${printable(name ?? host)} at ${host}: ${text} after ${ms.toFixed(0)} ms`;
    }
    case "elsewhere":
      return `Not counted, nothing was sent to ${printable(event.address)}`;
    case "uncounted":
      return `Ignored a datagram from ${printable(event.address)}: ${event.why}`;
  }
}

/** Datagrams that didn't count, and copies that could not be sent. */
function lossTexts({ uncounted, targets }: ExchangeRecord): string[] {
  return [
    ...Array.from(uncounted, ([why, count]) => `${count} datagrams ignored: ${why}`),
    ...targets.filter(({ sent, error }) => sent > 0 && error !== null)
      .map(({ target, error }) => `Not every copy went to ${target.hostname}: ${error}`),
  ];
}

/** Version of the JSON document: it is raised when a field goes or changes its meaning. */
const documentVersion = 2;

/** To microseconds, as clocks of 1 µs resolution tell it. */
function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function hostDocument(result: HostResult) {
  const { host, name, state, error, ms, entries, micros, findings, restPending } = result;
  return {
    host: name,
    key: formatKey("host", Uint8Array.fromHex(host.key)),
    instance: host.instance,
    addresses: [...host.addresses],
    state,
    text: stateText(result),
    error,
    ms: roundMs(ms),
    entries,
    flushMicros: micros,
    restPending,
    clockOffsetMs: roundMs(host.clock.ms),
    clockErrorMs: roundMs(host.clock.errorMs),
    acks: host.acks,
    expectLine: pinLine(result),
    reports: findings.map(({ address, finding, linkLayerAddress, report }) => ({
      address: formatPrefix(address),
      finding,
      state: report?.state ?? null,
      cached: report?.cached ?? null,
      gateway: report?.gateway ?? null,
      linkLayerAddress: linkLayerAddress === null ? null : formatLinkLayerAddress(linkLayerAddress),
    })),
  };
}

/** Each target once: the copies that all its requests had, and the first error of one. */
function targetDocuments({ record }: Outcome) {
  const byTarget = Map.groupBy(
    record.targets,
    ({ target }) => `${target.hostname} ${target.source}`,
  );
  return Array.from(byTarget.values(), (all) => ({
    target: all[0].target.hostname,
    interfaces: all[0].target.interfaceNames,
    sent: Math.min(...all.map(({ sent }) => sent)),
    error: all.find(({ error }) => error !== null)?.error ?? null,
  }));
}

function askedDocument(result: AskResult) {
  const { host, link, name, expected, address, verdict, linkLayerAddress, ms } = result;
  return {
    host,
    interface: link,
    name,
    expected,
    address: formatPrefix(address),
    verdict,
    text: askedText({ verdict, results: [result] }),
    linkLayerAddress: linkLayerAddress === null ? null : formatLinkLayerAddress(linkLayerAddress),
    ms: roundMs(ms),
  };
}

/** The outcome as one JSON document with every field, indented, with a line break at its end. */
export function jsonReport(outcome: Outcome): string {
  const { plan, record } = outcome;
  const { content } = plan.exchange;
  const document = {
    version: documentVersion,
    arpflush: arpflushVersion,
    exitCode: outcome.exitCode,
    summary: summaryLine(outcome),
    action: actionOf(outcome),
    keyId: content.kind === "signed" ? content.key.idText : null,
    created: new Date(record.created).toISOString(),
    elapsedMs: roundMs(record.elapsedMs),
    requests: record.requests.map(({ id, action, addresses, links }) => ({
      id,
      action,
      links,
      addresses: addresses.map(formatPrefix),
    })),
    copies: record.copies,
    targets: targetDocuments(outcome),
    faults: plan.faults,
    hindrances: outcome.hindrances,
    warnings: plan.warnings,
    hosts: outcome.hosts.map(hostDocument),
    thisMachine: outcome.own.map(hostDocument),
    asked: outcome.asked.map(askedDocument),
    askRemarks: record.asked.remarks,
    missing: {
      count: outcome.missingCount,
      names: outcome.missing.map(({ label }) => printable(label)),
    },
    elsewhere: Object.fromEntries(record.elsewhere),
    uncounted: Object.fromEntries(record.uncounted),
    unverified: record.unverified,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** A line for an --expect file that pins a host: its name, its first address, its key. */
export function pinLine({ host, name }: HostResult): string {
  const [address] = host.addresses;
  const names = name === address ? [address] : [name, address];
  return [...names, formatKey("host", Uint8Array.fromHex(host.key))].join(" ");
}
