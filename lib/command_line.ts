/**
 * Reads command lines as POSIX and GNU have them: `-abc`, `-kFILE`, `-k FILE`, `--name=value`,
 * `--name value`, operands anywhere, and operands alone behind `--`.
 */
import { UsageError } from "./errors.ts";
import { nearest } from "./text.ts";

/** An option, in a table by its name without dashes. */
export interface Option {
  /** Its short form: one character. */
  readonly letter?: string;
  /** What the help calls its value; an option without it has none. */
  readonly value?: string;
  /** Nothing behind it is read, as behind --help. @default false */
  readonly isLast?: boolean;
}

/** What a command line gives. */
export interface CommandLine<Name extends string> {
  has(name: Name): boolean;
  /** An option's values, in their order. */
  values(name: Name): readonly string[];
  /** An option's last value; undefined if it isn't given. */
  value(name: Name): string | undefined;
  /** What is no option, in its order. */
  readonly operands: readonly string[];
}

/**
 * Reads a command line (without the program's name). Throws a UsageError for an unknown option and
 * for a value that is missing or too much. A known option in the place of a value counts as missing:
 * `-P -k` is a slip, `--password=-k` is not.
 */
export function parseCommandLine<Name extends string>(
  args: readonly string[],
  options: Readonly<Record<Name, Option>>,
): CommandLine<Name> {
  const names = Object.keys(options) as Name[];
  const withName = (text: string) => names.find((name) => name === text);
  const withLetter = (letter: string) => names.find((name) => options[name].letter === letter);
  const isOption = (text: string) =>
    text === "--" || text.startsWith("--") && withName(text.slice(2).split("=", 1)[0]) ||
    text.length === 2 && text[0] === "-" && withLetter(text[1]);

  const given = new Map<Name, string[]>();
  const operands: string[] = [];
  const rest = [...args];
  let isEnded = false;

  /** Notes an option; `shown` is how it was written, `attached` its value in the same argument. */
  function take(name: Name, shown: string, attached: string | undefined): void {
    const hasValue = options[name].value !== undefined;
    if (!hasValue && attached !== undefined) throw new UsageError(`Option ${shown} has no value`);
    if (hasValue && attached === undefined && (rest.length === 0 || isOption(rest[0]))) {
      throw new UsageError(`Option ${shown} needs a value`);
    }
    const value = hasValue ? attached ?? rest.shift() : "";
    given.set(name, [...given.get(name) ?? [], value ?? ""]);
    isEnded ||= options[name].isLast === true;
  }

  function takeLong(argument: string): void {
    const equals = argument.indexOf("=");
    const shown = equals < 0 ? argument : argument.slice(0, equals);
    const name = withName(shown.slice(2));
    if (name === undefined) throw unknownOption(shown, names);
    take(name, shown, equals < 0 ? undefined : argument.slice(equals + 1));
  }

  function takeShort(argument: string): void {
    const [, ...letters] = argument;
    letters.every((letter, i) => {
      const name = withLetter(letter);
      if (name === undefined) throw unknownOption(`-${letter}`, names);
      const hasValue = options[name].value !== undefined;
      take(name, `-${letter}`, hasValue ? letters.slice(i + 1).join("") || undefined : undefined);
      return !hasValue;
    });
  }

  while (rest.length > 0 && !isEnded) {
    const argument = rest.shift() ?? "";
    if (argument === "--") operands.push(...rest.splice(0));
    else if (argument.startsWith("--")) takeLong(argument);
    else if (argument.startsWith("-") && argument !== "-") takeShort(argument);
    else operands.push(argument);
  }
  const values = (name: Name) => given.get(name) ?? [];
  return { has: (name) => given.has(name), values, value: (name) => values(name).at(-1), operands };
}

function unknownOption(shown: string, names: readonly string[]): UsageError {
  const near = shown.startsWith("--") ? nearest(shown.slice(2), names) : null;
  return new UsageError(`Unknown option ${shown}${near === null ? "" : `, is it --${near}?`}`);
}
