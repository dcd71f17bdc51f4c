/** What a part of the attack came to. */
export class Findings {
  /** Figures by name, for people. */
  readonly figures: Record<string, number> = {};
  /** What was not as it must be, a line each. */
  readonly faults: string[] = [];
  /**
   * All UDP datagrams of the part, whoever sent them: the kernel must have counted as many. Null where
   * some are sent in another network namespace.
   */
  datagrams: number | null = null;

  /** A fault unless both are the same. */
  readonly expect = (what: string, got: number | string, wanted: number | string): void => {
    if (got !== wanted) this.faults.push(`${what}: ${got}, must be ${wanted}`);
  };
}

/** One more of a name. */
export function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** The sum of counts by name. */
export function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0);
}
