/** What a part of the attack came to: figures, and what was not as it must be. */

/** One part. */
export interface PartOutcome {
  readonly part: string;
  /** Datagrams of the attack, without the genuine ones beside them. */
  readonly sent: number;
  /**
   * All UDP datagrams of the part, whoever sent them: the kernel must have counted as many. Null
   * where some are sent in another network namespace.
   */
  readonly datagrams: number | null;
  /** What came of each class. @default the part has none */
  readonly classes?: readonly ClassOutcome[];
  /** Figures by name, for people. */
  readonly figures: Readonly<Record<string, number>>;
  /** What was not as it must be, a line each. */
  readonly faults: readonly string[];
}

/** A class of forged datagrams. */
export interface ClassOutcome {
  readonly name: string;
  readonly tried: number;
  /** Requests that were accepted, acks that were counted. */
  readonly accepted: number;
  /** Bytes that were sent because of them. */
  readonly answered: number;
}

/** Collects the faults of a part. */
export class Findings {
  readonly faults: string[] = [];

  /** A fault unless both are the same. */
  expect(what: string, got: number | string, wanted: number | string): void {
    if (got !== wanted) this.faults.push(`${what}: ${got}, must be ${wanted}`);
  }
}

/** One more of a name. */
export function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** The sum of counts by name. */
export function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0);
}

/** Counts by name, each name behind a prefix. */
export function prefixed(prefix: string, counts: Readonly<Record<string, number>>) {
  const all = Object.entries(counts).map(([name, number]) => [`${prefix}: ${name}`, number]);
  return Object.fromEntries(all);
}
