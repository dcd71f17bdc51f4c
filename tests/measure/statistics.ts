/** Figures from repeated measurements: the median, and how far the middle half is spread. */

/** The value below which the given part of the values lies, 0 to 1; interpolated. */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** A number with three significant digits, thousands apart. */
export function show(value: number): string {
  if (!Number.isFinite(value)) return "none";
  const digits = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  return value.toLocaleString("en-US", {
    maximumFractionDigits: Math.max(0, 2 - digits),
    minimumFractionDigits: Math.max(0, Math.min(2, 2 - digits)),
  });
}

/** `median (first quartile to third)`. */
export function showSpread(values: readonly number[]): string {
  const [low, high] = [quantile(values, 0.25), quantile(values, 0.75)];
  return `${show(median(values))} (${show(low)} to ${show(high)})`;
}
