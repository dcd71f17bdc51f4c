/** What one run of the lab found, and whether every host did what it must. Times in ms. */

import { pairedRatio } from "../measure/statistics.ts";

/** A host of the lab. */
export interface Lane {
  /** The letter it is known by. */
  readonly id: "a" | "b" | "c";
  readonly title: string;
  readonly ignoresGratuitousArp: boolean;
  readonly runsArpFlush: boolean;
}

/** The hosts side by side, in the picture's order. */
export const lanes: readonly Lane[] = [
  { id: "a", title: "Ignores gratuitous ARP", ignoresGratuitousArp: true, runsArpFlush: false },
  {
    id: "b",
    title: "Ignores gratuitous ARP, with ArpFlush",
    ignoresGratuitousArp: true,
    runsArpFlush: true,
  },
  { id: "c", title: "Accepts gratuitous ARP", ignoresGratuitousArp: false, runsArpFlush: false },
];

/** A moment; `at` counts from the first failure. */
export interface Moment {
  readonly at: number;
  /** A station's name, "segment" or "system log". */
  readonly where: string;
  readonly kind:
    | "link down"
    | "link up"
    | "master"
    | "gratuitous ARP"
    | "request"
    | "flush"
    | "answered"
    | "report"
    | "note";
  readonly text: string;
}

/** A time without answers: from the last answer before it to the next one, null if none came. */
interface Silence {
  readonly from: number;
  readonly to: number | null;
}

/** What a failure did to a host. */
interface Outage {
  /** From the last answer to the next one, or to the end of the watch if none came. */
  readonly ms: number;
  /** Whether the next answer came before the next failure. */
  readonly healed: boolean;
}

/** What happened to one host. */
export interface LaneResult extends Lane {
  /** ARP packets from the virtual address that the host ignored; null where it heeds all. */
  readonly ignoredArpPackets: number | null;
  /** One for each failure. */
  readonly outages: readonly Outage[];
  readonly silences: readonly Silence[];
}

/** One run. */
export interface RunResult {
  /** When the watch ended, counted from the first failure. */
  readonly end: number;
  /** When each master's link was taken down. */
  readonly failures: readonly number[];
  /** In order, without notes. */
  readonly moments: readonly Moment[];
  readonly lanes: readonly LaneResult[];
}

/** The least time that a host without help must be stuck for. */
const minStuckMs = 15_000;
/** Shorter silences are the machine's own hiccups. */
const minSilenceMs = 100;

export function hostName({ id }: Lane): string {
  return `host-${id}`;
}

/** Silences in answers that came at ascending times, watched until `end`. */
export function findSilences(answers: readonly number[], end: number): Silence[] {
  return answers.map((from, i) => ({ from, to: answers[i + 1] ?? null }))
    .filter(({ from, to }) => (to ?? end) - from >= minSilenceMs);
}

/**
 * The outage after a failure: the longest silence that goes on after it and isn't the next one's, whose
 * last answer came shortly before it. Without such a silence it has 0 ms.
 */
export function outageAfter(
  silences: readonly Silence[],
  failure: number,
  nextFailure: number,
  end: number,
): Outage {
  const isOwn = ({ from, to }: Silence) =>
    (to ?? end) > failure && (from <= failure || from < nextFailure - minSilenceMs);
  const own = silences.filter(isOwn)
    .map(({ from, to }) => ({
      ms: (to ?? end) - from,
      healed: to !== null && to <= nextFailure,
    }));
  return own.reduce((longest, one) => one.ms > longest.ms ? one : longest, { ms: 0, healed: true });
}

/** The longest time that a host had no answer. */
export function longestSilence({ silences }: LaneResult, end: number): number {
  return Math.max(0, ...silences.map(({ from, to }) => (to ?? end) - from));
}

/**
 * How many times as long as c, which accepts gratuitous ARP, b was without an answer: the median of all
 * failovers.
 */
export function outageRatio({ lanes }: RunResult): number {
  const of = (id: Lane["id"]) =>
    lanes.filter((lane) => lane.id === id).flatMap(({ outages }) => outages.map(({ ms }) => ms));
  return pairedRatio(of("b"), of("c"));
}

/** What is wrong with a run, a line each; empty when every host did what it must. */
export function faultsOf({ lanes, end, failures, moments }: RunResult): string[] {
  const faults = lanes.flatMap((lane) => {
    const { id, outages, ignoresGratuitousArp, runsArpFlush, ignoredArpPackets } = lane;
    if (ignoredArpPackets !== null && ignoredArpPackets < 10) {
      return [`Lane ${id} ignored ${ignoredArpPackets} ARP packets of both masters`];
    }
    if (!ignoresGratuitousArp || runsArpFlush) {
      return outages.flatMap(({ healed, ms }, i) => [
        ...healed ? [] : [`Lane ${id} did not heal after failover ${i + 1}`],
        ...ms > 0 ? [] : [`Lane ${id} noticed no failover ${i + 1}`],
      ]);
    }
    const silent = longestSilence(lane, end);
    const isStuck = !outages.some(({ healed }) => healed) && silent >= minStuckMs;
    return isStuck ? [] : [`Lane ${id} healed by itself after ${(silent / 1000).toFixed(1)} s`];
  });
  const reports = moments.filter(({ kind, text }) => kind === "report" && /\b1 healed/.test(text));
  if (reports.length < failures.length) {
    faults.push(`The system log has ${reports.length} reports of a healed host`);
  }
  return faults;
}

/** A run's moments in order, a line each; of gratuitous ARP packets in a row the first. */
export function timelineText({ moments }: RunResult): string {
  return moments.filter(({ kind }, i) => kind !== "gratuitous ARP" || moments[i - 1]?.kind !== kind)
    .map(({ at, where, text }) =>
      `${(at / 1000).toFixed(3).padStart(8)} s  ${where.padEnd(10)}  ${text}`
    )
    .join("\n");
}
