/** What a metrics file says, for tests. */

/** Values by everything before them: `name{label="text"}`. Throws an Error for half a file. */
export function samplesOf(text: string): Map<string, number> {
  if (!text.endsWith("\n")) throw new Error(`The file ends in the middle of a line: ${text}`);
  const samples = new Map<string, number>();
  for (const line of text.trimEnd().split("\n")) {
    if (line.startsWith("#")) continue;
    const [, name, value] = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`"${line}" is not a sample`);
    samples.set(name, Number(value));
  }
  return samples;
}

/** A sample of requests by outcome and reason. */
export function requests(outcome: string, reason = ""): string {
  return `arpflush_requests_total{outcome="${outcome}",reason="${reason}"}`;
}
