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

/** How many hosts are expected. */
export function expectedCount(expectation: Expectation): number {
  return expectation.kind === "count" ? expectation.count : expectation.names.length;
}

/**
 * Who of the expected hosts has answered. Names match without regard to case, and a short name
 * matches a qualified one (`web1`, `web1.example.org`), whichever side is short. One host answers for
 * one expected name at most.
 */
export class RollCall {
  readonly #noted = new Set<string>();
  readonly #count: number;
  readonly #isByName: boolean;
  /** Expected names that nobody has answered for: as compared, and as expected. */
  readonly #open: Map<string, string>;
  readonly #byLabel: Map<string, string[]>;

  constructor(expectation: Expectation) {
    this.#count = expectedCount(expectation);
    this.#isByName = expectation.kind === "names";
    const names = expectation.kind === "names" ? expectation.names : [];
    this.#open = new Map(names.map((name) => [comparableName(name), name]));
    this.#byLabel = Map.groupBy(this.#open.keys(), (name) => name.split(".")[0]);
  }

  /** Notes a host; one that was noted before changes nothing. */
  note(host: string): void {
    const name = comparableName(host);
    if (this.#noted.has(name)) return;
    this.#noted.add(name);
    const expected = this.#expectedNameOf(name);
    if (expected !== undefined) this.#open.delete(expected);
  }

  /** The expected name that a host answers for, if any is still open. */
  #expectedNameOf(host: string): string | undefined {
    if (this.#open.has(host)) return host;
    const [label] = host.split(".");
    if (host !== label) return this.#open.has(label) ? label : undefined;
    return this.#byLabel.get(label)?.find((name) => this.#open.has(name));
  }

  isComplete(): boolean {
    return this.missingCount() === 0;
  }

  /** How many of the expected hosts are missing. */
  missingCount(): number {
    return this.#isByName ? this.#open.size : Math.max(0, this.#count - this.#noted.size);
  }

  /** Their names, as expected; none when a number is expected. */
  missingNames(): string[] {
    return [...this.#open.values()];
  }
}
