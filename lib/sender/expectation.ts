/** Who has to confirm: `--expect N|FILE`. */

import { contentLines } from "../text.ts";

/** A number of hosts, or their names. */
export type Expectation =
  | { readonly kind: "count"; readonly count: number }
  | { readonly kind: "names"; readonly names: readonly string[] };

/** A host name for comparing: lower case, without the root's dot. */
export function comparableName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/**
 * The names in a file: one a line, `#` starts a comment, blank lines and repeated names are
 * skipped. Throws an Error that names the line: `line 2 is not a host name: "a b"`.
 */
export function parseExpectedNames(text: string): string[] {
  const names = new Map<string, string>();
  for (const { number, content: name } of contentLines(text)) {
    if (/[\s\p{C}]/u.test(name)) {
      throw new Error(`line ${number} is not a host name: ${JSON.stringify(name)}`);
    }
    if (!names.has(comparableName(name))) names.set(comparableName(name), name);
  }
  if (names.size === 0) throw new Error("it names no host");
  return [...names.values()];
}

/** A roll call: who of the expected hosts has answered. */
export interface RollCall {
  /** Notes a host; a host noted before changes nothing. */
  note(host: string): void;
  isComplete(): boolean;
  /** How many are missing. */
  missingCount(): number;
  /** Their names, as expected; empty when a number is expected. */
  missingNames(): string[];
}

/**
 * A roll call for an expectation. Names match without regard to case, and a short name matches a
 * qualified one (`web1`, `web1.example.org`), whichever side is short. One host answers for one
 * expected name at most.
 */
export function createRollCall(expectation: Expectation): RollCall {
  const noted = new Set<string>();
  if (expectation.kind === "count") {
    const missingCount = () => Math.max(0, expectation.count - noted.size);
    return {
      note: (host) => void noted.add(comparableName(host)),
      isComplete: () => missingCount() === 0,
      missingCount,
      missingNames: () => [],
    };
  }
  const open = new Map(expectation.names.map((name) => [comparableName(name), name]));
  const byLabel = Map.groupBy(open.keys(), (name) => name.split(".")[0]);
  const expectedNameOf = (host: string): string | undefined => {
    if (open.has(host)) return host;
    const [label] = host.split(".");
    if (host !== label) return open.has(label) ? label : undefined;
    return byLabel.get(label)?.find((name) => open.has(name));
  };
  return {
    note(host) {
      const name = comparableName(host);
      if (noted.has(name)) return;
      noted.add(name);
      const expected = expectedNameOf(name);
      if (expected !== undefined) open.delete(expected);
    },
    isComplete: () => open.size === 0,
    missingCount: () => open.size,
    missingNames: () => [...open.values()],
  };
}
