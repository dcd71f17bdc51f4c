/** Counting what `deno test --junit-path` reports. */

/** How many tests ended how; a step of a test is a test. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Nothing yet. */
export const noTests: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Both together. */
export function add(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

/** The line that a run ends with. */
export function countsLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/**
 * The counts of a report; null if it is none. A file without a result (it couldn't be loaded) isn't
 * in the report, nor is an error outside of a test: a run that ended badly has at least one failure,
 * and one for each file without a result. Tests that a filter left out aren't counted.
 */
export function countJunit(
  report: string,
  files: readonly string[],
  succeeded: boolean,
): Counts | null {
  if (!report.includes("</testsuites>")) return null;
  let counts = noTests;
  for (const testcase of report.split("<testcase ").slice(1)) {
    counts = add(counts, countOf(testcase));
  }
  if (succeeded) return counts;
  const lost = files.filter((file) => !report.includes(`<testsuite name="./${escaped(file)}"`));
  const failed = Math.max(1, counts.failed + lost.length);
  return { ...counts, failed };
}

function countOf(testcase: string): Counts {
  // What a filter leaves out has no time, what is ignored has.
  const filteredOut = testcase.includes("<skipped/>") && !/^[^>]* time="/.test(testcase);
  if (filteredOut) return noTests;
  if (testcase.includes("<skipped/>")) return { ...noTests, skipped: 1 };
  const failed = testcase.includes("<failure") || testcase.includes("<error");
  return failed ? { ...noTests, failed: 1 } : { ...noTests, passed: 1 };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
