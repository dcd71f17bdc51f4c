/**
 * Prometheus' text exposition format 0.0.4, as the textfile collectors of node_exporter and
 * windows_exporter read it: UTF-8, lines that end in a line feed on every platform.
 */
import type { Histogram } from "../receiver/histogram.ts";

/** One number, told from the others of its name by its labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Everything under one name. */
export type Family =
  & { readonly name: string; readonly help: string }
  & (
    | { readonly type: "counter" | "gauge"; readonly samples: readonly Sample[] }
    | { readonly type: "histogram"; readonly histogram: Histogram }
  );

/** The text of a file; families without a sample are left out. */
export function exposition(families: readonly Family[]): string {
  return families.map(familyText).join("");
}

function familyText(family: Family): string {
  const { name, help, type } = family;
  const lines = type === "histogram"
    ? histogramLines(name, family.histogram)
    : family.samples.map(({ labels, value }) => line(name, labels, value));
  if (lines.length === 0) return "";
  return [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

/** Buckets are cumulative, the last one is of everything. */
function histogramLines(name: string, { bounds, counts, sum }: Histogram): string[] {
  let total = 0;
  const buckets = counts.map((count, i) => {
    total += count;
    return line(`${name}_bucket`, { le: i < bounds.length ? String(bounds[i]) : "+Inf" }, total);
  });
  return [...buckets, line(`${name}_sum`, {}, sum), line(`${name}_count`, {}, total)];
}

function line(name: string, labels: Sample["labels"] = {}, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
