import assert from "node:assert/strict";
import { contentLines, listText, nearest } from "../../lib/text.ts";

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
