/**
 * Flushing tables of several sizes, all of it and listed, against `ip neigh flush` alone. In a
 * network namespace, on the kernel's own table.
 */
import { createLinuxCache } from "../../lib/neighbors/linux.ts";
import type { FlushScope } from "../../lib/neighbors/neighbor_cache.ts";
import { parsePrefix } from "../../lib/wire/addresses.ts";
import { run } from "../support/command.ts";
import { connect, findIsolation, ip } from "../support/namespaces.ts";
import type { Section } from "./section.ts";
import { median, showSpread } from "./statistics.ts";

/** Entries of the tables. */
export const tableSizes = [10, 1_000, 16_000] as const;
/** Addresses that a listed flush names. */
const listed = ["10.9.0.1", "10.9.0.2", "10.9.0.3"];
const ratioMost = 1.3;

/** One way to flush a table, measured. */
interface Result {
  readonly entries: number;
  readonly what: string;
  readonly ours: number[];
  readonly alone: number[];
}

function addressOf(i: number): string {
  return `10.9.${(i + 1) >> 8}.${(i + 1) & 0xff}`;
}

/**
 * Lines for `ip -batch` that fill the table of interface e0. Entries are made permanent first, which
 * the kernel doesn't count, and then stale: its limit of 1,024 can stay as it is.
 */
export function fillingLines(entries: number): string[] {
  return ["permanent", "stale"].flatMap((state) =>
    Array.from({ length: entries }, (_, i) => {
      const mac = `02:00:00:00:${(i >> 8).toString(16)}:${(i & 0xff).toString(16)}`;
      return `neigh replace ${addressOf(i)} lladdr ${mac} nud ${state} dev e0`;
    })
  );
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function measure(repetitions: number): Promise<Result[]> {
  const cache = createLinuxCache();
  const alone = {
    all: () => run(["ip", "neigh", "flush", "all"]),
    listed: () => ip(null, listed.map((address) => `neigh flush to ${address}`)),
  };
  const ours = (scope: FlushScope) => cache.flush(scope);
  const prefixes = listed.map(parsePrefix);
  const results: Result[] = [];
  for (const entries of tableSizes) {
    const all: Result = { entries, what: "all", ours: [], alone: [] };
    const some: Result = { entries, what: `${listed.length} listed`, ours: [], alone: [] };
    for (let round = -1; round < repetitions; round++) {
      const times: [number[], () => Promise<unknown>][] = [
        [all.alone, alone.all],
        [all.ours, () => ours("all")],
        [some.alone, alone.listed],
        [some.ours, () => ours(prefixes)],
      ];
      for (const [into, work] of times) {
        await ip(null, fillingLines(entries));
        const taken = await time(work);
        if (round >= 0) into.push(taken);
      }
    }
    results.push(all, some);
  }
  return results;
}

/** Measures in a namespace of its own; a section that says why not where there is none. */
export async function benchFlush(repetitions: number): Promise<Section> {
  const title = "Flush of a table";
  const header = ["entries", "flushed", "ArpFlush ms", "ip neigh flush ms", "ratio"];
  const isolation = await findIsolation();
  if ("missing" in isolation) {
    const notes = [`Left out: this machine lacks ${isolation.missing}`];
    return { title, about: "", header, rows: [], notes };
  }
  const self = import.meta.url;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", self, String(repetitions)];
  const results: Result[] = JSON.parse(await run([...isolation.argv, ...deno]));
  const ratios = results.map(({ ours, alone }) => median(ours) / median(alone));
  const missed = results.filter((_, i) => ratios[i] > ratioMost)
    .map(({ entries, what }) => `${entries} entries, ${what}`);
  return {
    title,
    about:
      "The kernel's table in a namespace, filled anew before each flush. ArpFlush flushes and counts " +
      "what it removed; `ip neigh flush` is started alone by the same process. Median and middle " +
      `half of ${repetitions} repetitions, in turn.`,
    header,
    rows: results.map(({ entries, what, ours, alone }, i) => [
      entries.toLocaleString("en-US"),
      what,
      showSpread(ours),
      showSpread(alone),
      ratios[i].toFixed(2),
    ]),
    notes: [
      `Goal: at most ${ratioMost} times. ${
        missed.length === 0 ? "Met" : `Missed for ${missed.join("; ")}`
      }.`,
    ],
  };
}

if (import.meta.main) {
  const end = { namespace: null, addresses: [] };
  await connect({ ...end, name: "e0", addresses: ["10.9.255.254/16"] }, { ...end, name: "e1" });
  console.log(JSON.stringify(await measure(Number(Deno.args[0]))));
}
