/**
 * docs/figures.md: what each section measured last. The page is the only store of the figures, so it is
 * read back to replace one section, and to fill in the figures that other pages repeat.
 */
import { wrap } from "../../docs/generate.ts";
import { run } from "../support/command.ts";
import { cellsOf, columns, type Row, tableText } from "./section.ts";
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
  "Written by `deno task measure --write`; nothing here is typed by hand. The machine is a small " +
  "virtual one whose speed changes by a third from minute to minute, so look at ratios: a peer is " +
  "measured in the same run, in turn, and the ratio is the median of those of each turn. A figure " +
  "is a median, with the middle half of the repetitions in parentheses.",
  "A limit belongs to the ratio where there is one, else to the figure. A goal is met or missed; a " +
  "promise that is broken ends the tool with status 1, and the same promises are tested in small " +
  "with every change. `deno task measure NAME` measures one section and writes nothing; `--quick` " +
  "tries it in seconds.",
];

/** What the line about a measurement says. */
export function takenText(seed: number, quick: boolean, now: Date, minutes: number): string {
  const linux = /^\d+\.\d+/.exec(Deno.osRelease())?.[0] ?? Deno.osRelease();
  return [
    now.toISOString().slice(0, 10),
    `${navigator.hardwareConcurrency} processors, Linux ${linux}, Deno ${Deno.version.deno}`,
    `seed ${seed}`,
    ...quick ? ["reduced to `--quick`"] : [],
    ...minutes > 0 ? [`${minutes} minutes`] : [],
  ].join("; ") + ".";
}

/** A section's rows as they are stored. */
export function measuredOf(rows: readonly Row[], taken: string): Measured {
  return { taken, rows: rows.map(cellsOf) };
}

/** The page's text. */
export function pageText(figures: Figures): string {
  const parts = Object.entries(sections).map(([name, { title, about, picture }]) => {
    const measured = figures.get(title);
    return [
      `## ${title}`,
      wrap(`\`deno task measure ${name}\`. ${about}`),
      ...picture === undefined ? [] : [`![${picture.alt}](${picture.file})`],
      ...measured === undefined
        ? ["Not measured yet."]
        : [wrap(measured.taken), tableText(measured.rows)],
    ].join("\n\n");
  });
  return [title, ...introduction.map((text) => wrap(text)), ...parts].join("\n\n") + "\n";
}

/** Reads the figures of a page's text back. */
export function parsePage(text: string): Figures {
  const parts = text.split(/^## /m).slice(1);
  return new Map(parts.flatMap((part) => {
    const title = part.slice(0, part.indexOf("\n"));
    const [rule, ...lines] = part.split("\n").filter((line) => line.startsWith("|")).slice(1);
    if (rule === undefined) return [];
    const taken = /\n\n(\d{4}-\d\d-\d\d; .*?)\n\n/s.exec(part)?.[1].replaceAll("\n", " ") ?? "";
    const rows = lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
    return [[title, { taken, rows }]];
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
