/** Durations as a person writes them: `1s`, `200ms`, `0.5` (seconds). */

/** A duration's text in ms, rounded to whole ones, or null. No unit means seconds. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})(ms|s)?$/.exec(text);
  if (match === null) return null;
  return Math.round(Number(match[1]) * (match[2] === "ms" ? 1 : 1000));
}

/** A duration as text that `parseDuration` reads back: whole seconds as `2s`, else `200ms`. */
export function formatDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
