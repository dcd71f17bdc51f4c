import assert from "node:assert/strict";
import { errnoOf, ipOutputLines } from "../../lib/neighbors/ip_errors.ts";
import { NeighborCacheError } from "../../lib/neighbors/neighbor_cache.ts";

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

Deno.test("ipOutputLines() gives the lines of a run that succeeded", () => {
  const result = { code: 0, stdout: "[ ]\n\n[]\n", stderr: "Warning: old kernel\n" };
  assert.deepEqual(ipOutputLines(result), ["[ ]", "[]"]);
});

Deno.test("ipOutputLines() takes a flush that entries keep coming back to as done", () => {
  const stdout = "[1]\n*** Flush not complete bailing out after 10 rounds\n[2]\n";
  const stderr = "Command failed -:2\n";
  assert.deepEqual(ipOutputLines({ code: 1, stdout, stderr }), ["[1]", "[2]"]);
});

Deno.test("ipOutputLines() throws the first complaint of a run that failed", () => {
  const stderr = 'Command failed -:1\nCannot find device "e9"\nRTNETLINK answers: File exists\n';
  assert.throws(
    () => ipOutputLines({ code: 1, stdout: "[1]\n", stderr }),
    failure('Cannot run "ip": Cannot find device "e9"', 19),
  );
});

Deno.test("ipOutputLines() throws a complaint even if a flush bailed out as well", () => {
  const stdout = "[1]\n*** Flush not complete bailing out after 10 rounds\n";
  const stderr = "Command failed -:2\nRTNETLINK answers: Operation not permitted\n";
  assert.throws(
    () => ipOutputLines({ code: 2, stdout, stderr }),
    failure('Cannot run "ip": RTNETLINK answers: Operation not permitted', 1),
  );
});

Deno.test("ipOutputLines() throws the exit code of a run that failed without a word", () => {
  assert.throws(
    () => ipOutputLines({ code: 137, stdout: "", stderr: "" }),
    failure('Cannot run "ip": it ended with code 137', 5),
  );
});

function failure(message: string, code: number): (error: unknown) => boolean {
  return (error) =>
    error instanceof NeighborCacheError && error.message === message && error.code === code;
}
