/**
 * A whole failover: the lab's measured outages beside what a scheduled task that empties the cache
 * would have made of the same failovers. Reads what `deno task lab` wrote.
 */
import type { RunResult } from "../lab/result.ts";
import { seededRandom } from "../load/loss_model.ts";
import type { Section } from "./section.ts";
import { median, quantile, show } from "./statistics.ts";

/** The part of docs/lab.json that is read. */
export interface LabDocument {
  readonly day: string;
  readonly runs: readonly Pick<RunResult, "lanes">[];
}

const file = new URL("../../docs/lab.json", import.meta.url);
const periodsSeconds = [10, 30, 60] as const;
/** Failovers at random moments of the task's period, for each one measured. */
const phases = 1_000;

/** The outages of a lane, over all runs and failovers. */
function outagesOf({ runs }: LabDocument, id: string) {
  return runs.flatMap(({ lanes }) => lanes.filter((lane) => lane.id === id))
    .flatMap(({ outages }) => outages);
}

/**
 * The table of a lab's document. The task can't heal before the new router is there: a host that
 * accepts gratuitous ARP shows when that is, and from then on the task is due within its period.
 */
export function failoverSection(lab: LabDocument, random: () => number): Section {
  const nothing = outagesOf(lab, "a");
  const ours = outagesOf(lab, "b").map(({ ms }) => ms);
  const accepting = outagesOf(lab, "c").map(({ ms }) => ms);
  const base = median(accepting);
  const row = (name: string, outages: readonly number[]) => [
    name,
    show(median(outages)),
    show(quantile(outages, 0.95)),
    show(median(outages) / base),
  ];
  const task = (seconds: number) =>
    accepting.flatMap((ms) =>
      Array.from({ length: phases }, () => ms + random() * seconds * 1_000)
    );
  const stuck = nothing.filter(({ healed }) => !healed).map(({ ms }) => ms);
  return {
    title: "Whole failover",
    about:
      `Outages in ms of ${ours.length} failovers of the lab (${lab.day}), probed every 10 ms; ` +
      "the scheduled tasks are simulated on the same timelines, at random moments of their period.",
    header: ["host", "outage, median", "95 of 100 within", "times gratuitous ARP"],
    rows: [
      row("accepts gratuitous ARP", accepting),
      row("ignores it, with ArpFlush", ours),
      ...periodsSeconds.map((seconds) =>
        row(`ignores it, cache emptied every ${seconds} s`, task(seconds))
      ),
      [
        "ignores it, nothing done",
        stuck.length === nothing.length ? `over ${show(Math.min(...stuck))}` : "healed",
        "as long as watched",
        "",
      ],
    ],
    notes: [],
  };
}

/** The section of the lab's latest document; one that says why not if there is none. */
export async function benchFailover(): Promise<Section> {
  try {
    const lab: LabDocument = JSON.parse(await Deno.readTextFile(file));
    return failoverSection(lab, seededRandom(1));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const notes = ["Left out: there is no docs/lab.json; `deno task lab` makes it"];
    return { title: "Whole failover", about: "", header: ["host"], rows: [], notes };
  }
}
