/** What the lab's scripts print: `--- NAME` before the lines of each part. */

/** A script's output by section. */
export function sectionsOf(text: string): Readonly<Record<string, readonly string[]>> {
  const sections = text.split(/^--- /m).slice(1).map((section) => {
    const [name, ...lines] = section.trimEnd().split("\n");
    return [name, lines];
  });
  return Object.fromEntries(sections);
}
