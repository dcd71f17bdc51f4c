/**
 * Texts that people write and read: what strangers named, lists that are cut short, mistyped names,
 * files of lines.
 */

/** `1 copy`, `2 copies`. */
export function countText(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Items without repetitions, separated by commas: the first `max`, then how many more there are. */
export function listText(items: Iterable<string>, max: number): string {
  const different = [...new Set(items)];
  const more = different.length - max;
  return different.slice(0, max).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/**
 * The lines of a file that hold something, trimmed, with their numbers from 1. `#` starts a comment;
 * blank lines and a byte order mark are left out.
 */
export function contentLines(
  text: string,
): { readonly number: number; readonly content: string }[] {
  return text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/)
    .map((line, index) => ({ number: index + 1, content: line.replace(/#.*$/, "").trim() }))
    .filter(({ content }) => content !== "");
}

/** Single-letter edits between two texts (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}

/**
 * The name that a mistyped one most likely means, letter case aside; null when more than half of
 * either would have to change.
 */
export function nearest<Name extends string>(text: string, names: readonly Name[]): Name | null {
  // Nobody mistypes at this length, and the work grows with it.
  if (text.length > 64) return null;
  const lower = text.toLowerCase();
  const ranked = names.map((name) => {
    const edits = distance(lower, name.toLowerCase());
    return { name, share: edits / Math.max(text.length, name.length) };
  }).sort((a, b) => a.share - b.share);
  const best = ranked[0];
  return best !== undefined && best.share <= 0.5 ? best.name : null;
}

/** A host's name for people: what isn't a letter, a digit, `.`, `_` or `-` becomes `?`. */
export function printableName(name: string): string {
  return name.replace(/[^\p{L}\p{Nd}._-]/gu, "?");
}

/** A text for a terminal or a log: control, format and line separator characters become `?`. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
