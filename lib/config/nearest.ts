/** The known name that a mistyped one most likely means. */

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

/** The nearest of some names, letter case aside; null when more than half of either would change. */
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
