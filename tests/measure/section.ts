/** What a bench hands on: a table and what is to be said about it. */

/** A part of the report. */
export interface Section {
  readonly title: string;
  /** What was measured, in a sentence or two. */
  readonly about: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Goals and whether they are met, things left out and why. */
  readonly notes: readonly string[];
  /** Promises that the figures show to be broken; the program that prints them fails then. @default none */
  readonly broken?: readonly string[];
}

/** A section as Markdown, its columns aligned for people who read the source. */
export function sectionText({ title, about, header, rows, notes, broken = [] }: Section): string {
  const widths = header.map((name, i) =>
    Math.max(...[name, ...rows.map((row) => row[i])].map(
      (cell) => cell.length,
    ))
  );
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join(
        " | ",
      )
    } |`;
  const rule = `| ${
    widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")
  } |`;
  const table = [line(header), rule, ...rows.map(line)].join("\n");
  const said = [...notes, ...broken.map((promise) => `Broken: ${promise}.`)];
  const remarks = said.length === 0 ? "" : `\n\n${said.map((note) => `- ${note}`).join("\n")}`;
  return `## ${title}\n\n${about}\n\n${table}${remarks}\n`;
}
