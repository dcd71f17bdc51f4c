/**
 * docs/figures.md: what each section measured last. The page is the only store of the figures, so it is
 * read back to replace one section, and to fill in the figures that other pages repeat.
 */
import { wrap } from "../../docs/generate.ts";
import { run } from "../support/command.ts";
import { cellsOf, columns, parseTable, type Row, tableText } from "./section.ts";
import { sections } from "./sections.ts";

const root = new URL("../../", import.meta.url);
const pagePath = "docs/figures.md";
/** Pages that repeat figures between the marks of `fillIn`. */
const quotingPages = ["README.md"] as const;

/** A section as it was measured last. */
interface Measured {
  /** Date, machine, seed: a line of the page. */
  readonly taken: string;
  /** Rows as the cells of their table. */
  readonly rows: readonly (readonly string[])[];
}

/** Measured sections by their title. */
type Figures = ReadonlyMap<string, Measured>;

const title = "# Figures";
const introduction = [
  "Written by `deno task measure --write`; `deno task measure NAME` measures the section that begins " +
  "with this name. A figure is the median, with the middle half of the repetitions. Look at ratios, " +
  "the machine's speed changes: the peer is measured in turn in the same run. A limit is the ratio's " +
  "where there is one. A goal is met unless it says `missed`; a broken promise is status 1, and is " +
  "tested in small with every change.",
];
/** Before what most sections have in common of their line about a measurement. */
const commonly = "Unless a section says otherwise: ";

/** What the line about a measurement says. */
export function takenText(seed: number, quick: boolean, now: Date, minutes: number): string {
  const linux = /^\d+\.\d+/.exec(Deno.osRelease())?.[0] ?? Deno.osRelease();
  return [
    now.toISOString().slice(0, 10),
    `${navigator.hardwareConcurrency} processors, Linux ${linux}, Deno ${Deno.version.deno}`,
    `seed ${seed}`,
    ...quick ? ["with `--quick`"] : [],
    ...minutes > 0 ? [`for ${minutes} minutes`] : [],
  ].join("; ") + ".";
}

/** A section's rows as they are stored. */
export function measuredOf(rows: readonly Row[], taken: string): Measured {
  return { taken, rows: rows.map(cellsOf) };
}

/** Date, machine and seed, which each measurement has: the rest of its line may be missing. */
const alwaysThere = [/^\d{4}-\d\d-\d\d$/, / processors, /, /^seed /] as const;

const partsOf = (taken: string) => taken.replace(/\.$/, "").split("; ");
const lineOf = (parts: readonly string[]) => parts.length === 0 ? "" : `${parts.join("; ")}.`;

/** What most measurements have in common of date, machine and seed. */
function commonParts(figures: readonly Measured[]): string[] {
  const lines = figures.map(({ taken }) =>
    lineOf(partsOf(taken).filter((part) => alwaysThere.some((form) => form.test(part))))
  );
  const countOf = (text: string) => lines.filter((other) => other === text).length;
  const [line] = lines.toSorted((one, other) => countOf(other) - countOf(one));
  return line === undefined ? [] : partsOf(line);
}

/** The page's text. */
export function pageText(figures: Figures): string {
  const common = commonParts(
    Object.values(sections).flatMap(({ title }) => figures.get(title) ?? []),
  );
  const parts = Object.entries(sections).map(([name, { title, about, picture }]) => {
    const measured = figures.get(title);
    const own = partsOf(measured?.taken ?? "").filter((part) =>
      part !== "" && !common.includes(part)
    );
    return [
      `## ${title}`,
      wrap(`\`${name}\`: ${about}`),
      ...picture === undefined ? [] : [`![${picture.alt}](${picture.file})`],
      ...own.length === 0 ? [] : [wrap(`Measured ${lineOf(own)}`)],
      ...measured === undefined
        ? ["Not measured yet."]
        : [`\`\`\`\n${tableText(measured.rows)}\n\`\`\``],
    ].join("\n\n");
  });
  const texts = [...introduction, ...common.length === 0 ? [] : [commonly + lineOf(common)]];
  return [title, ...texts.map((text) => wrap(text)), ...parts].join("\n\n") + "\n";
}

/** Reads the figures of a page's text back. */
export function parsePage(text: string): Figures {
  const [introduction, ...parts] = text.split(/^## /m);
  const after = (part: string, start: string) => {
    const paragraphs = part.trimEnd().split("\n\n").map((one) => one.replaceAll("\n", " "));
    const found = paragraphs.find((one) => one.startsWith(start));
    return found === undefined ? [] : partsOf(found.slice(start.length));
  };
  const common = after(introduction, commonly);
  return new Map(parts.flatMap((part) => {
    const title = part.slice(0, part.indexOf("\n"));
    const table = /^```\n(.*?)\n```$/ms.exec(part)?.[1];
    if (table === undefined) return [];
    const own = after(part, "Measured ");
    const taken = alwaysThere.flatMap((form) =>
      own.find((part) => form.test(part)) ?? common.find((part) => form.test(part)) ?? []
    );
    const rest = own.filter((part) => !taken.includes(part));
    return [[title, { taken: lineOf([...taken, ...rest]), rows: parseTable(table) }]];
  }));
}

/**
 * Fills in the figures that a page repeats: `<!-- figure: SECTION | WHAT | COLUMN -->…<!-- end -->`, its
 * column `figure` (without the spread) or `ratio`; `not measured` where there is no such figure.
 */
export function fillIn(text: string, figures: Figures): string {
  const marked = /(<!--\s+figure:\s+(\S+)\s+\|\s+([^|]+?)\s+\|\s+(\w+)\s+-->)(.*?)(<!-- end -->)/gs;
  return text.replaceAll(marked, (_, begin, name, what, column, _old, end) => {
    const title = sections[name]?.title ?? "";
    const row = figures.get(title)?.rows.find(([first]) => first === what.replace(/\s+/g, " "));
    const cell = row?.[columns.indexOf(column)];
    const value = cell?.replace(/ \(.*\)$/, "") || "not measured";
    // No line may be broken in a figure.
    return begin + value.replaceAll(" ", "\u00a0") + end;
  });
}

/** The figures as they are in the checkout. */
export async function readFigures(): Promise<Figures> {
  try {
    return parsePage(await Deno.readTextFile(new URL(pagePath, root)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
}

/** The page and those that quote it, by path from the repository's root, as they should be. */
export async function pagesOf(figures: Figures): Promise<Readonly<Record<string, string>>> {
  const quoting = await Promise.all(quotingPages.map(async (path) => {
    const text = await Deno.readTextFile(new URL(path, root));
    return [path, fillIn(text, figures)] as const;
  }));
  return { [pagePath]: pageText(figures), ...Object.fromEntries(quoting) };
}

/** Replaces one section in the checkout's page, and the figures that other pages repeat. */
export async function writeSection(name: string, measured: Measured): Promise<void> {
  const figures = new Map([...await readFigures(), [sections[name].title, measured]]);
  const pages = await pagesOf(figures);
  for (const [path, text] of Object.entries(pages)) {
    await Deno.writeTextFile(new URL(path, root), text);
  }
  await run([Deno.execPath(), "fmt", "-q", ...Object.keys(pages)], { cwd: root });
}
