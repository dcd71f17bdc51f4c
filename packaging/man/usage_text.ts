/** Reading the programs' own usage texts, so that the manual pages say what `--help` says. */

/** An option with its text in the usage; the text may be empty. */
export interface UsageOption {
  /** `-k, --key-file FILE` */
  readonly forms: string;
  /** `key-file` */
  readonly name: string;
  readonly text: string;
}

/** An option's forms, then two spaces and its text, or a remark in parentheses, or nothing. */
const option = /^((?:-\w, )?--([\w-]+)(?: [A-Z|]+)?)(?: {2,}(.*)| (\(.*\)))?$/;

/** The options of a usage text in its order; what continues on the next line belongs to them. */
export function usageOptions(usage: string): UsageOption[] {
  const options: UsageOption[] = [];
  let continues = false;
  for (const line of usage.split("\n")) {
    // Several short ones may share a line.
    const parts = line.trim().split(/ {3,}(?=-)/);
    const found = parts.map((part) => option.exec(part));
    if (line.startsWith(" ") && found.every((match) => match !== null)) {
      for (const [, forms, name, text, remark] of found) {
        options.push({ forms, name, text: (text ?? remark?.slice(1, -1) ?? "").trim() });
      }
      continues = true;
    } else if (continues && /^ {6,}\S/.test(line)) {
      const last = options[options.length - 1];
      options[options.length - 1] = { ...last, text: `${last.text} ${line.trim()}` };
    } else continues = false;
  }
  return options;
}

/** The exit codes of a usage text, in the paragraph that begins with "Exit". */
export function usageExitCodes(usage: string): [code: string, text: string][] {
  const paragraph = /^Exit[^:]*:((?:.|\n(?!\n))*)/m.exec(usage)?.[1] ?? "";
  const codes = paragraph.matchAll(/\b(\d) (.*?)(?=(?:,| {2,}|\n) *\d |\.?\n|\.?$)/g);
  return Array.from(codes, ([, code, text]) => [code, text.trim()]);
}

/** The command lines of a usage text, with what it says about each: `  arpflush -a    because`. */
export function usageExamples(usage: string, program: string): [command: string, why: string][] {
  const lines = usage.matchAll(new RegExp(`^ {2}(${program} .*?)(?: {3,}(.*))?$`, "gm"));
  return Array.from(lines, ([, command, why]) => [command, why ?? ""]);
}
