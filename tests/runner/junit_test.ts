import assert from "node:assert/strict";
import { add, countJunit, countsLine } from "./junit.ts";

/** As Deno 2.9.6 writes it: passed, ignored, filtered out, failed, and a step. */
const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="5" failures="1" errors="0" time="0.014">
    <testsuite name="./tests/a_test.ts" tests="5" disabled="2" errors="0" failures="1">
        <testcase name="one" classname="./tests/a_test.ts" time="0.001" line="1" col="6">
        </testcase>
        <testcase name="two" classname="./tests/a_test.ts" time="0.000" line="2" col="6">
            <skipped/>
        </testcase>
        <testcase name="three" classname="./tests/a_test.ts" line="3" col="6">
            <skipped/>
        </testcase>
        <testcase name="bad" classname="./tests/a_test.ts" time="0.001" line="4" col="6">
            <failure message="Uncaught Error: boom">Error: boom &lt;testcase </failure>
        </testcase>
        <testcase name="one &gt; step" classname="./tests/a_test.ts" time="0.000" line="1" col="43">
        </testcase>
    </testsuite>
</testsuites>
`;
const files = ["tests/a_test.ts"];

Deno.test("countJunit() counts every test but those a filter left out", () => {
  assert.deepEqual(countJunit(report, files, false), { passed: 2, failed: 1, skipped: 1 });
});

Deno.test("countJunit() counts a file without a result as a failure of a run that failed", () => {
  const two = [...files, "tests/b_test.ts"];
  assert.deepEqual(countJunit(report, two, false), { passed: 2, failed: 2, skipped: 1 });
  assert.deepEqual(countJunit(report, two, true), { passed: 2, failed: 1, skipped: 1 });
});

Deno.test("countJunit() counts a run that failed outside of its tests as one failure", () => {
  const passed = report.replace(/<failure[^]*<\/failure>/, "");
  assert.deepEqual(countJunit(passed, files, false), { passed: 3, failed: 1, skipped: 1 });
});

Deno.test("countJunit() takes no half a report", () => {
  assert.equal(countJunit("", files, true), null);
  assert.equal(countJunit(report.slice(0, report.length / 2), files, true), null);
});

Deno.test("countsLine() adds up tiers", () => {
  const counts = add({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 });
  assert.equal(countsLine(counts), "11 passed, 22 failed, 33 skipped");
});
