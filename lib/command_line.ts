/**
 * The forms of options that people know from getopt, put into the one form that no parser can
 * misread, `--name=value`: `-c5`, `-c 5`, `-vc 5`, `--count 5`, and values that begin with a dash.
 */
import { UsageError } from "./errors.ts";

/** One option of a command line. */
export interface OptionKind {
  /** Without the dashes. */
  readonly name: string;
  /** Its short form without the dash, or null. */
  readonly letter: string | null;
  readonly hasValue: boolean;
}

/**
 * A command line with each option's value attached to its long name. Unknown options stay as they
 * are; so does everything behind `--`. Throws a UsageError for a value that is missing or too much.
 * An option in the place of a value counts as missing: `-P -k` is a slip, `--password=-k` is not.
 */
export function normalizeArguments(
  args: readonly string[],
  kinds: readonly OptionKind[],
): string[] {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]));
  const byLetter = new Map(kinds.map((kind) => [kind.letter, kind]));
  const isOption = (text: string) =>
    text === "--" || byName.has(text.replace(/^--([^=]+).*$/s, "$1")) && text.startsWith("--") ||
    /^-[^-]$/.test(text) && byLetter.has(text[1]);
  const result: string[] = [];
  let at = 0;
  const valueFor = (shown: string, { name }: OptionKind): string => {
    const value = args[at];
    if (value === undefined || isOption(value)) {
      throw new UsageError(`Option ${shown} needs a value`);
    }
    at++;
    return `--${name}=${value}`;
  };
  while (at < args.length) {
    const arg = args[at++];
    if (arg === "--") return [...result, arg, ...args.slice(at)];
    const long = /^--([^=]+)(=.*)?$/s.exec(arg);
    const kind = long === null ? undefined : byName.get(long[1]);
    if (kind !== undefined && long !== null) {
      const hasValue = long[2] !== undefined;
      if (hasValue && !kind.hasValue) throw new UsageError(`Option --${kind.name} has no value`);
      result.push(kind.hasValue && !hasValue ? valueFor(arg, kind) : arg);
    } else if (/^-[^-]/.test(arg)) {
      result.push(...shortOptions(arg, byLetter, valueFor));
    } else result.push(arg);
  }
  return result;
}

function shortOptions(
  cluster: string,
  byLetter: ReadonlyMap<string | null, OptionKind>,
  valueFor: (shown: string, kind: OptionKind) => string,
): string[] {
  const result: string[] = [];
  for (let i = 1; i < cluster.length; i++) {
    const kind = byLetter.get(cluster[i]);
    if (kind === undefined) throw new UsageError(`Unknown option -${cluster[i]}`);
    if (kind.hasValue) {
      const attached = cluster.slice(i + 1);
      result.push(
        attached === "" ? valueFor(`-${cluster[i]}`, kind) : `--${kind.name}=${attached}`,
      );
      break;
    }
    result.push(`--${kind.name}`);
  }
  return result;
}
