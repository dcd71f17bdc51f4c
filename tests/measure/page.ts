/**
 * docs/figures.md: what each section measured last. The page is the only store of the figures: what is
 * not measured anew is carried over as it stands there, and other pages repeat what it says.
 */
import { wrap } from "../../docs/generate.ts";
import { run } from "../support/command.ts";
import { type Context, type Row, tableText } from "./section.ts";
import { sections } from "./sections.ts";

const root = new URL("../../", import.meta.url);
const pagePath = "docs/figures.md";
/** Pages that repeat figures between the marks of `fillIn`. */
const quotingPages = ["README.md"] as const;

const introduction =
  "Written by `deno task measure --write`; `deno task measure NAME` measures the section that begins " +
  "with this name. A figure is the median, with the middle half of the repetitions. Look at ratios, " +
  "the machine's speed changes: the peer is measured in turn in the same run. A limit is the ratio's " +
  "where there is one. A goal is met unless it says `missed`; a broken promise is status 1, and is " +
  "tested in small with every change.";

/** What the page has of a section's measurement: date, machine and seed, then the table. */
export function measuredText(
  rows: readonly Row[],
  { seed, quick, minutes }: Pick<Context, "seed" | "quick" | "minutes">,
): string {
  const linux = /^\d+\.\d+/.exec(Deno.osRelease())?.[0] ?? Deno.osRelease();
  const taken = [
    new Date().toISOString().slice(0, 10),
    `${navigator.hardwareConcurrency} processors, Linux ${linux}, Deno ${Deno.version.deno}`,
    `seed ${seed}`,
    ...quick ? ["with `--quick`"] : minutes > 0 ? [`for ${minutes} minutes`] : [],
  ];
  return `Measured ${taken.join("; ")}.\n\n\`\`\`\n${tableText(rows)}\n\`\`\``;
}

/** Begins the line of date, machine and seed that most sections share, at the top of the page. */
const unlessOtherwise = "Unless a section says otherwise: ";

/** What a page's text has of the measurement of the section with a title; empty: nothing. */
function measuredIn(page: string, title: string): string {
  const part = page.split(/^## /m).find((one) => one.startsWith(`${title}\n`)) ?? "";
  const shared = page.split(`\n${unlessOtherwise}`).at(1)?.split("\n", 1)[0];
  const text = /^(Measured .*)?^```$.*^```$/ms.exec(part)?.[0] ?? "";
  return text.startsWith("```") ? `Measured ${shared}\n\n${text}` : text;
}

/** Sections' measurements without the line that most begin with, and that line for all of them. */
function sharedLine(measured: readonly string[]): { shared: string; texts: string[] } {
  const lines = measured.map((text) => /^Measured .*$/m.exec(text)?.[0] ?? "");
  const count = (line: string) => line === "" ? 0 : lines.filter((one) => one === line).length;
  const [most = ""] = lines.toSorted((one, other) => count(other) - count(one));
  return {
    shared: most.replace("Measured ", unlessOtherwise),
    texts: measured.map((text, i) =>
      lines[i] === most ? text.slice(most.length).trimStart() : text
    ),
  };
}

/** The page anew: `measured` holds what has been measured since, by the names of sections. */
export function pageText(page: string, measured: Readonly<Record<string, string>> = {}): string {
  const all = Object.entries(sections);
  const { shared, texts } = sharedLine(
    all.map(([name, { title }]) =>
      measured[name] ?? (measuredIn(page, title) || "Not measured yet.")
    ),
  );
  const parts = all.map(([name, { title, about, picture }], i) =>
    [
      `## ${title}`,
      wrap(`\`${name}\`: ${about}`),
      ...picture === undefined ? [] : [`![${picture.alt}](${picture.file})`],
      texts[i],
    ].join("\n\n")
  );
  return ["# Figures", wrap(introduction), shared, ...parts].filter(Boolean).join("\n\n") + "\n";
}

/**
 * Fills in the figures that a text repeats: `<!-- figure: SECTION | WHAT | COLUMN -->…<!-- end -->`, its
 * column `figure` (without the spread) or `ratio` (without the peer); `not measured` where the page has
 * no such figure.
 */
export function fillIn(text: string, page: string): string {
  const marked = /(<!--\s+figure:\s+(\S+)\s+\|\s+([^|]+?)\s+\|\s+(\w+)\s+-->)(.*?)(<!-- end -->)/gs;
  return text.replaceAll(marked, (_, begin, name, what, column, _old, end) => {
    const table = measuredIn(page, sections[name]?.title ?? "").split("```\n").at(1) ?? "";
    const [head, ...rows] = table.split("\n");
    const row = rows.find((one) => one.startsWith(`${what.replace(/\s+/g, " ")}  `)) ?? "";
    // A column begins where its name does, and is parted from the next by two spaces.
    const at = head.indexOf(`  ${column}`) + 2;
    const cell = at < 2 ? "" : row.slice(at).split("  ")[0];
    const value = cell.replace(/ (\(|to ).*$/, "") || "not measured";
    // No line may be broken in a figure.
    return begin + value.replaceAll(" ", "\u00a0") + end;
  });
}

/**
 * The page and those that quote it, by path from the repository's root, as they should be; `measured`
 * as in `pageText`.
 */
export async function pagesOf(
  measured?: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const read = (path: string) => Deno.readTextFile(new URL(path, root));
  const page = pageText((await read(pagePath)).replaceAll("\r\n", "\n"), measured);
  const quoting = await Promise.all(
    quotingPages.map(async (path) => [path, fillIn(await read(path), page)] as const),
  );
  return { [pagePath]: page, ...Object.fromEntries(quoting) };
}

/** Replaces one section in the checkout's page, and the figures that other pages repeat. */
export async function writeSection(name: string, measured: string): Promise<void> {
  const pages = await pagesOf({ [name]: measured });
  for (const [path, text] of Object.entries(pages)) {
    await Deno.writeTextFile(new URL(path, root), text);
  }
  await run([Deno.execPath(), "fmt", "-q", ...Object.keys(pages)], { cwd: root });
}
