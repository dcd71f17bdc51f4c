/**
 * What the runs of one failover came to, all links together: its metrics count each host once. Runs
 * that go on side by side are of one failover.
 */
import { type EndedRun, endedRun } from "../sender/history.ts";
import type { SendOptions } from "../sender/arguments.ts";
import { exitCode, type Outcome } from "../sender/outcome.ts";
import { type HostVerdict, type Verdict, verdictNames } from "../sender/summary.ts";
import { joinedReason } from "../sender/run.ts";
import type { Time } from "../time.ts";

/** The worst first. */
const exitCodes = [
  exitCode.notGood,
  exitCode.usage,
  exitCode.nothingSent,
  exitCode.hindered,
  exitCode.good,
];

/** The failover that goes on, or the last one. */
export class LastFailover {
  readonly #time: Time;
  readonly #options: SendOptions;
  /** What the last run on each link came to, by the link's name. */
  readonly #links = new Map<string, EndedRun>();
  #running = 0;
  #beganAt = 0;
  /** What the links hold is of the failover before. */
  #isOld = false;

  /** The options are those of all runs, before they are narrowed to a link. */
  constructor(time: Time, options: SendOptions) {
    this.#time = time;
    this.#options = options;
  }

  /** A run begins; `end` must follow. */
  begin(): void {
    if (this.#running++ > 0) return;
    this.#isOld = true;
    this.#beganAt = this.#time.monotonic();
  }

  /**
   * A run on a link has ended, with an outcome or an error. Gives the failover as it is now; null if
   * nothing is new: another run does its work, or addresses left before anybody answered.
   */
  end(link: string, result: Outcome | Error, options: SendOptions): EndedRun | null {
    this.#running--;
    const at = this.#time.wall();
    const run = endedRun(result, options, at);
    const endedEarly = result instanceof Error ? null : result.record.endedEarly;
    if (endedEarly !== null && !this.#isNews(link, run, endedEarly)) return null;
    if (this.#isOld) this.#links.clear();
    this.#isOld = false;
    this.#links.set(link, run);
    return this.#whole(at);
  }

  /** Whether a run that was ended early says what isn't known better. */
  #isNews(link: string, { verdicts }: EndedRun, endedEarly: string): boolean {
    const isKnown = !this.#isOld && this.#links.has(link);
    return endedEarly !== joinedReason && verdicts.length > 0 && !isKnown;
  }

  #whole(at: number): EndedRun {
    const runs = [...this.#links.values()];
    const verdicts = mergedVerdicts(runs.flatMap(({ verdicts }) => verdicts));
    const [first, ...others] = runs.map(({ elsewhere }) => elsewhere);
    const codes = new Set(runs.map((run) => run.exitCode));
    return {
      kind: "failover",
      interfaceNames: this.#options.interfaceNames,
      addresses: null,
      elsewhere: others.reduce((all, one) => all.intersection(one), first),
      at,
      elapsedMs: this.#time.monotonic() - this.#beganAt,
      exitCode: exitCodes.find((code) => codes.has(code)) ?? exitCode.good,
      summary: runs.map(({ summary }) => summary).join("; "),
      verdicts,
      counts: mergedCounts(runs, verdicts),
    };
  }
}

/** The worst verdict on each host; one that answered on a link isn't missing on another. */
function mergedVerdicts(all: readonly HostVerdict[]): HostVerdict[] {
  const present = new Set(
    all.filter(({ verdict }) => verdict !== "missing").map(({ expectedName }) => expectedName),
  );
  const counted = all.filter(({ verdict, expectedName }) =>
    verdict !== "missing" || !present.has(expectedName)
  );
  const rank = ({ isGood, verdict }: HostVerdict) =>
    (isGood ? verdictNames.length : 0) + verdictNames.indexOf(verdict);
  return Array.from(Map.groupBy(counted, ({ id }) => id).values(), (own) => {
    const [worst] = own.toSorted((a, b) => rank(a) - rank(b));
    return { ...worst, stuck: [...new Set(own.flatMap(({ stuck }) => stuck))] };
  });
}

/** How many hosts got each verdict; those of whom nothing is known but their number are added up. */
function mergedCounts(
  runs: readonly EndedRun[],
  merged: readonly HostVerdict[],
): EndedRun["counts"] {
  const told = runs.filter(({ counts }) => counts !== null);
  if (told.length === 0) return null;
  const counts = new Map<Verdict, number>();
  const add = (verdict: Verdict, count: number) => {
    if (count > 0) counts.set(verdict, (counts.get(verdict) ?? 0) + count);
  };
  for (const { verdict } of merged) add(verdict, 1);
  for (const { counts: own, verdicts } of told) {
    for (const [verdict, count] of own ?? []) {
      add(verdict, count - verdicts.filter((one) => one.verdict === verdict).length);
    }
  }
  return counts;
}
