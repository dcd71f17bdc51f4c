/**
 * Prometheus' text exposition format 0.0.4, as the textfile collectors of node_exporter and
 * windows_exporter read it: UTF-8, lines that end in a line feed on every platform.
 */

/** One number; its labels tell it from the others of its name. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Values by their size: `counts` has one more than `bounds`, for what is over all of them. */
interface Histogram {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  /** Of all values. */
  readonly sum: number;
}

/** All numbers of one name. */
export type Family =
  & { readonly name: string; readonly help: string }
  & (
    | { readonly type: "counter" | "gauge"; readonly samples: readonly Sample[] }
    | { readonly type: "histogram"; readonly histogram: Histogram }
  );

/** A family of counters; its name gets the prefix `arpflush_`. */
export function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name: `arpflush_${name}`, help, type: "counter", samples };
}

/** A family of gauges; its name gets the prefix `arpflush_`. */
export function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name: `arpflush_${name}`, help, type: "gauge", samples };
}

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
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

/** Buckets are cumulative, the last one counts everything. */
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

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

const samplePattern = /^(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (-?[\d.]+(?:e[+-]?\d+)?)$/;

/**
 * The samples in a text that `exposition` made, by their families' names; histograms are not
 * understood. Null if any other line is in it.
 */
export function parseExposition(text: string): Map<string, Sample[]> | null {
  const found = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const match = samplePattern.exec(line);
    if (match === null) return null;
    const [, name, pairs = "", value] = match;
    const labels = Object.fromEntries(
      [...pairs.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, escaped]) => [
        label,
        escaped.replaceAll(/\\(.)/g, (_, character) => character === "n" ? "\n" : character),
      ]),
    );
    const samples = found.get(name) ?? [];
    samples.push({ labels, value: Number(value) });
    found.set(name, samples);
  }
  return found;
}
