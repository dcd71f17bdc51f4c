import fc from "fast-check";
import assert from "node:assert/strict";
import { systemReason } from "../../lib/errors.ts";
import { contentLines, listText, nearest, printable } from "../../lib/text.ts";
import { formatDuration, parseDuration } from "../../lib/time.ts";

const names = ["Port", "HoldDownSeconds", "LogLevel", "LogFormat"] as const;

Deno.test("nearest() finds a name behind mistypings and other letter case", () => {
  assert.equal(nearest("port", names), "Port");
  assert.equal(nearest("holddownseconds", names), "HoldDownSeconds");
  assert.equal(nearest("HoldDown", names), "HoldDownSeconds");
  assert.equal(nearest("LogLevl", names), "LogLevel");
  assert.equal(nearest("LogForamt", names), "LogFormat");
});

Deno.test("nearest() finds none for what is nothing like a name, or far too long", () => {
  assert.equal(nearest("Colour", names), null);
  assert.equal(nearest("", names), null);
  assert.equal(nearest("x".repeat(1_000_000), names), null);
  assert.equal(nearest("Port", []), null);
});

Deno.test("listText() names each item once, and counts those beyond the limit", () => {
  assert.equal(listText(["a", "b", "a"], 2), "a, b");
  assert.equal(listText(["a", "b", "c", "d"], 2), "a, b and 2 more");
  assert.equal(listText([], 2), "");
});

Deno.test("contentLines() leaves out comments and blank lines, and keeps the lines' numbers", () => {
  assert.deepEqual(contentLines("\uFEFF# all\r\n\r  a # b\n#\nc"), [
    { number: 3, content: "a" },
    { number: 5, content: "c" },
  ]);
});

Deno.test("systemReason() keeps the reason and cuts what only a programmer wants", () => {
  const cases = [
    ["Network is unreachable (os error 101)", "Network is unreachable"],
    ["No such file or directory (os error 2): open '/x'", "No such file or directory"],
    [
      "failed to lookup address information: Name or service not known",
      "Name or service not known",
    ],
    ["", "unknown error"],
  ];
  for (const [message, reason] of cases) assert.equal(systemReason(new Error(message)), reason);
  assert.equal(systemReason("a text"), "a text");
});

Deno.test("parseDuration() reads seconds, milliseconds and bare seconds", () => {
  const cases = { "1s": 1000, "200ms": 200, "0.5": 500, ".5s": 500, "2": 2000, "0": 0, "1.5ms": 2 };
  for (const [text, ms] of Object.entries(cases)) assert.equal(parseDuration(text), ms, text);
});

for (
  const text of ["", "s", "-1", "1m", "1 s", "1e3", "1.", "1,5", "Infinity", "0x10", "1sms", "٣"]
) {
  Deno.test(`parseDuration() refuses ${JSON.stringify(text)}`, () => {
    assert.equal(parseDuration(text), null);
  });
}

Deno.test("formatDuration() is read back by parseDuration()", () => {
  fc.assert(fc.property(fc.nat(100_000_000), (ms) => {
    assert.equal(parseDuration(formatDuration(ms)), ms);
  }));
});

Deno.test("parseDuration() gives whole milliseconds or null for any text", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."0123456789.ms-") }));
  fc.assert(fc.property(text, (text) => {
    const ms = parseDuration(text);
    assert.ok(ms === null || Number.isSafeInteger(ms) && ms >= 0);
  }));
});

Deno.test("printable() lets nothing steer a terminal or break a line", () => {
  assert.equal(printable("SQL01 rüter"), "SQL01 rüter");
  assert.equal(printable("\x1b[31mred\r\n\u202etxt\u2028\x7f"), "?[31mred???txt??");
});
