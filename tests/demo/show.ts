/** What the demo prints, and what it reads from the sender's report. */

/** A paragraph: a line, and text that belongs to it, indented. */
export function show(line: string, text = ""): void {
  const indented = text.trimEnd().split("\n").filter((one) => one !== "").map((one) => `  ${one}`);
  console.log([line, ...indented].join("\n") + "\n");
}

/** The time in a report's row of a host, in ms after the first datagram; null without such a row. */
function millisecondsOf(report: string, hostName: string): number | null {
  const row = report.split("\n").map((line) => line.trim().split(/\s+/))
    .find(([name]) => name === hostName);
  const text = row?.[2] ?? "";
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** The last word: healed in how many ms, or not. Gives back whether it was. */
export function conclude(healed: boolean, report: string, hostName: string): boolean {
  const ms = millisecondsOf(report, hostName);
  if (healed && ms !== null) {
    console.log(`Healed: the proof was at the sender ${ms} ms after its first datagram.`);
    return true;
  }
  console.log("NOT healed.");
  return false;
}
