import assert from "node:assert/strict";
import { errnoOf, readIpResult, wasOvertaken } from "../../../lib/neighbors/iproute2.ts";

/** Texts as iproute2 6.1 printed them. */
const complaints: [string, number][] = [
  ["RTNETLINK answers: Operation not permitted", 1],
  ["Failed to send flush request: Operation not permitted", 1],
  ["RTNETLINK answers: No such file or directory", 2],
  ["RTNETLINK answers: File exists", 17],
  ['Cannot find device "e9"', 19],
  ["RTNETLINK answers: No buffer space available", 105],
  ["RTNETLINK answers: No route to host", 113],
  ["Something nobody has seen yet", 5],
];

for (const [text, errno] of complaints) {
  Deno.test(`errnoOf() reads "${text}" as ${errno}`, () => {
    assert.equal(errnoOf(text), errno);
  });
}

/** The lines, and the failure's text and code. */
function read(code: number, stdout: string, stderr: string) {
  const { lines, failure } = readIpResult({ code, stdout, stderr });
  return failure === null ? [lines] : [lines, failure.message, failure.code];
}

Deno.test("readIpResult() gives the lines of a run that succeeded", () => {
  assert.deepEqual(read(0, "[ ]\n\n[]\n", "Warning: old kernel\n"), [["[ ]", "[]"]]);
});

Deno.test("readIpResult() takes a flush that entries keep coming back to as done", () => {
  const stdout = "[1]\n*** Flush not complete bailing out after 10 rounds\n[2]\n";
  const lines = ["[1]", "*** Flush not complete bailing out after 10 rounds", "[2]"];
  assert.deepEqual(read(1, stdout, "Command failed -:2\n"), [lines]);
});

Deno.test("readIpResult() gives the first complaint of a run that failed, and what it printed", () => {
  const stderr = 'Command failed -:1\nCannot find device "e9"\nRTNETLINK answers: File exists\n';
  const expected = [["[1]"], 'Cannot run "ip": Cannot find device "e9"', 19];
  assert.deepEqual(read(1, "[1]\n", stderr), expected);
});

Deno.test("readIpResult() gives a complaint even if a flush bailed out as well", () => {
  const stdout = "[1]\n*** Flush not complete bailing out after 10 rounds\n";
  const stderr = "Command failed -:2\nRTNETLINK answers: Operation not permitted\n";
  const expected = [
    ["[1]", "*** Flush not complete bailing out after 10 rounds"],
    'Cannot run "ip": RTNETLINK answers: Operation not permitted',
    1,
  ];
  assert.deepEqual(read(2, stdout, stderr), expected);
});

Deno.test("readIpResult() gives the exit code of a run that failed without a word", () => {
  assert.deepEqual(read(137, "", ""), [[], 'Cannot run "ip": it ended with code 137', 5]);
});

for (
  const [text, overtaken] of [
    ["Failed to send flush request: No such file or directory", true],
    ["Failed to send flush request: No such device", true],
    ["Failed to send flush request: Operation not permitted", false],
    ["RTNETLINK answers: No such file or directory", false],
  ] as const
) {
  Deno.test(`wasOvertaken() is ${overtaken} for "${text}"`, () => {
    const { failure } = readIpResult({ code: 1, stdout: "", stderr: text });
    assert.equal(failure !== null && wasOvertaken(failure), overtaken);
  });
}
