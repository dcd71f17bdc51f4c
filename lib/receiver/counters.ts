/** What the receive path counts, since the start of the service. */
import { type RefusalReason, refusalReasons } from "./accept.ts";

/** What is counted beside the refusals. */
export const countedNames = [
  "accepted",
  "retried",
  "repeated",
  "stale",
  "legacy",
  "legacyCopies",
  "unremembered",
  "acksSent",
  "acksFailed",
  "acksDropped",
  "receiveErrors",
  "socketsReopened",
  "flushes",
  "flushesFailed",
  "entriesRemoved",
] as const;
export type CountedName = typeof countedNames[number];

/** Numbers that only grow. */
export interface Counters {
  readonly counted: Readonly<Record<CountedName, number>>;
  readonly refused: Readonly<Record<RefusalReason, number>>;
  count(name: CountedName, by?: number): void;
  countRefused(reason: RefusalReason): void;
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  const record: Partial<Record<Name, number>> = {};
  for (const name of names) record[name] = 0;
  return record as Record<Name, number>;
}

/** Counters at zero. */
export function createCounters(): Counters {
  const counted = zeros(countedNames);
  const refused = zeros(refusalReasons);
  return {
    counted,
    refused,
    count: (name, by = 1) => void (counted[name] += by),
    countRefused: (reason) => void refused[reason]++,
  };
}
