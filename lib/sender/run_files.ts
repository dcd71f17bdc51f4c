/**
 * Keeps runs in the files of `--history` and `--metrics`. A metrics file outlives the runs that write
 * it: each replaces what it knows anew and keeps the rest as it was read, so that a drill doesn't take
 * away what the last failover said.
 */
import { systemReason } from "../errors.ts";
import { exposition, gauge, parseExposition, type Sample } from "../exposition.ts";
import { appendLine, updateFile } from "../files.ts";
import { printable } from "../text.ts";
import type { SendOptions } from "./arguments.ts";
import { type EndedRun, endedRun, historyLine, maxHistoryBytes } from "./history.ts";
import { exitCode, type Outcome } from "./outcome.ts";
import { verdictNames } from "./summary.ts";

/**
 * Keeps a run where the options say. Resolves with what went wrong, a line each; never rejects.
 */
export async function keepRun(result: Outcome | Error, options: SendOptions): Promise<string[]> {
  const { historyFile, metricsFile } = options;
  const run = endedRun(result, options, Date.now());
  const wrong: string[] = [];
  if (historyFile !== null) {
    const written = appendLine(historyFile, historyLine(run), maxHistoryBytes);
    wrong.push(...await faultOf("history", historyFile, written));
  }
  if (metricsFile !== null) {
    // What hindered the history is part of how the run ended.
    const isHindered = wrong.length > 0 && run.exitCode === exitCode.good;
    const ended = isHindered ? { ...run, exitCode: exitCode.hindered } : run;
    wrong.push(...await keepMetrics(metricsFile, ended));
  }
  return wrong;
}

/** Keeps a run in a metrics file, as `keepRun` does. */
export function keepMetrics(metricsFile: string, run: EndedRun): Promise<string[]> {
  const written = updateFile(metricsFile, (text) => metricsAfterRun(text, run));
  return faultOf("metrics", metricsFile, written);
}

/** Notes a sign of life of `arpflush --follow`, as `keepRun` does. */
export function keepHeartbeat(metricsFile: string, at: number): Promise<string[]> {
  const written = updateFile(metricsFile, (text) => metricsAfterHeartbeat(text, at));
  return faultOf("metrics", metricsFile, written);
}

async function faultOf(what: string, path: string, written: Promise<void>): Promise<string[]> {
  try {
    await written;
    return [];
  } catch (error) {
    const reason = error instanceof Deno.errors.NotCapable
      ? "it is in none of the folders that this program may write in"
      : systemReason(error);
    return [`cannot write ${what} "${printable(path)}": ${reason}`];
  }
}

/** Every metric by its name without the prefix, in the order of the file. */
const helpTexts = {
  run_hosts: "Hosts by verdict at the end of the last run of a kind (on an interface).",
  run_duration_seconds: "Duration of the last run of a kind (on an interface).",
  run_timestamp_seconds: "End of the last run of a kind (on an interface), Unix time.",
  run_exit_code: "Exit code of the last run of a kind (on an interface).",
  host_stuck: "1 for each address that an expected host has at another's link-layer address.",
  router_heartbeat_timestamp_seconds: "Last sign of life of arpflush --follow, Unix time.",
} as const;
type Name = keyof typeof helpTexts;
const names = Object.keys(helpTexts) as Name[];

/** Samples by their metric. */
type Samples = ReadonlyMap<Name, readonly Sample[]>;

/** The samples of a metrics file; throws an Error if it is not one of a router. */
function parseSamples(text: string): Samples {
  const parsed = parseExposition(text);
  const isOwn = (found: string) => names.some((name) => found === `arpflush_${name}`);
  if (parsed === null || ![...parsed.keys()].every(isOwn)) {
    throw new Error("it holds something else than a router's metrics");
  }
  return new Map(names.map((name) => [name, parsed.get(`arpflush_${name}`) ?? []]));
}

function textOf(samples: Samples): string {
  return exposition(names.map((name) => gauge(name, helpTexts[name], samples.get(name) ?? [])));
}

/** Series of stuck hosts in a file: a count of hosts has no such limit. */
const maxStuckSeries = 1_000;

/** The text of a metrics file after a run. Throws an Error if the text is no such file's. */
export function metricsAfterRun(text: string, run: EndedRun): string {
  const old = parseSamples(text);
  const own = run.interfaceNames.join(",");
  const labels = { run: run.kind, ...own === "" ? {} : { interface: own } };
  // A run on all interfaces and those on one each take the place of one another.
  const isPast = ({ labels: { run: kind, interface: its = "" } = {} }: Sample) =>
    kind === run.kind && (its === own || its === "" || own === "");
  const ofKind = (name: Name, ...samples: readonly Sample[]): [Name, Sample[]] => [name, [
    ...(old.get(name) ?? []).filter((sample) => !isPast(sample)),
    ...samples.map(({ value, labels: more }) => ({ labels: { ...labels, ...more }, value })),
  ]];
  const { counts } = run;
  const hosts = counts === null ? [] : verdictNames.map((verdict) => ({
    labels: { verdict },
    value: counts.get(verdict) ?? 0,
  }));
  return textOf(
    new Map([
      ...old,
      ofKind("run_hosts", ...hosts),
      ofKind("run_duration_seconds", { value: Math.round(run.elapsedMs) / 1_000 }),
      ofKind("run_timestamp_seconds", { value: run.at / 1_000 }),
      ofKind("run_exit_code", { value: run.exitCode }),
      ["host_stuck", stuckAfter(old.get("host_stuck") ?? [], run)],
    ]),
  );
}

/**
 * Which expected hosts are stuck where. One stays as it was until it is found good: a host that is
 * stuck at the very address a probe comes from can't be heard, and one that could not be looked at
 * hasn't healed. So do hosts and addresses that the run wasn't about. A run without names leaves all
 * as they are.
 */
function stuckAfter(
  old: readonly Sample[],
  { verdicts, addresses, elsewhere }: EndedRun,
): readonly Sample[] {
  const expected = verdicts.flatMap(({ expectedName, isGood, stuck }) =>
    expectedName === null ? [] : [{ host: expectedName, isGood, stuck }]
  );
  if (expected.length === 0) return old;
  const undecided = new Set(
    expected.filter(({ isGood, stuck }) => !isGood && stuck.length === 0).map(({ host }) => host),
  );
  const found = expected.flatMap(({ host, stuck }) =>
    stuck.map((address) => ({ labels: { host, address }, value: 1 }))
  );
  const kept = old.filter(({ labels: { host = "", address = "" } = {} }) =>
    undecided.has(host) || elsewhere.has(host) || addresses !== null && !addresses.has(address)
  );
  // Several instances of a pinned key may stand for one name.
  const unique = new Map([...kept, ...found].map((one) => [JSON.stringify(one.labels), one]));
  return [...unique.values()].slice(0, maxStuckSeries);
}

/** The text of a metrics file after a sign of life of `arpflush --follow`. Throws as the other does. */
export function metricsAfterHeartbeat(text: string, at: number): string {
  const beat = [{ value: at / 1_000 }];
  return textOf(new Map([...parseSamples(text), ["router_heartbeat_timestamp_seconds", beat]]));
}
