/** The frame of a manual page, in man(7) macros that groff and mandoc both know. */
import { definitions, literal, optionForms, running, sentence } from "./roff.ts";
import { usageOptions } from "./usage_text.ts";

/** Which release a page is of. */
export interface Edition {
  readonly version: string;
  /** `2026-11-23`: when the version was released, not when the page was made. */
  readonly date: string;
}

/** What a page says; names, sections and synopsis in roff. */
export interface Page extends Edition {
  readonly name: string;
  readonly section: 1 | 8;
  /** One line in lower case, as whatis shows it. */
  readonly summary: string;
  readonly synopsis: string;
  /** By heading, in order. */
  readonly sections: Readonly<Record<string, string>>;
  /** The first one without its `.BR`. */
  readonly seeAlso: string;
}

/** The page's source. */
export function page(content: Page): string {
  const { name, section, version, date, summary, synopsis, sections, seeAlso } = content;
  const body = Object.entries(sections).map(([heading, text]) => `.SH ${heading}\n${text}`);
  return `.\\" Made by packaging/man/generate.ts from the usage text; change it there.
.TH ${literal(name.toUpperCase())} ${section} ${date} "ArpFlush ${version}"
.SH NAME
${literal(name)} \\- ${running(summary)}
.SH SYNOPSIS
${synopsis}
${body.join("")}.SH SEE ALSO
.BR ${seeAlso}
`;
}

/**
 * The options of a usage text with its own words, and more where it has no room. Throws an Error for
 * more about an option that the usage doesn't have.
 */
export function optionsSection(usage: string, details: Readonly<Record<string, string>>): string {
  const options = usageOptions(usage);
  const lost = Object.keys(details).find((name) => options.every((known) => known.name !== name));
  if (lost !== undefined) throw new Error(`The usage text has no option --${lost}`);
  return definitions(options.map(({ forms, name, text }) => {
    const sentences = [text, details[name] ?? ""].filter((part) => part !== "").map(sentence);
    return [optionForms(forms), sentences.join("\n")];
  }));
}
