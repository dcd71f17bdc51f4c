/** What a virtual machine's host takes away from it. Linux alone. */
import { run } from "../support/command.ts";

/** Processor time of all processors since the machine's start, in ticks, and the part not given to it. */
export interface ProcessorTime {
  readonly all: number;
  readonly stolen: number;
}

/** Reads it: proc_stat(5), "steal" is the eighth number, and what follows is counted before. */
export async function readProcessorTime(): Promise<ProcessorTime> {
  const [first] = (await run(["cat", "/proc/stat"])).split("\n");
  const ticks = first.trim().split(/\s+/).slice(1, 9).map(Number);
  return { all: ticks.reduce((sum, tick) => sum + tick, 0), stolen: ticks[7] };
}

/** The part of the time between two readings that was stolen, 0 to 1. */
export function stolenPart(before: ProcessorTime, after: ProcessorTime): number {
  return (after.stolen - before.stolen) / Math.max(1, after.all - before.all);
}
