import assert from "node:assert/strict";
import { systemReason } from "../../lib/errors.ts";

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
