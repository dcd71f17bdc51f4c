import assert from "node:assert/strict";
import { bailsOut, readFlushes } from "../../../lib/neighbors/iproute2.ts";

Deno.test("readFlushes() counts the first round of each flush, and the flushes that ended", () => {
  const lines = [
    "*** Round 1, deleting 12 entries ***",
    "*** Round 2, deleting 2 entries ***",
    "*** Flush is complete after 2 rounds ***",
    "Nothing to flush.",
    "*** Round 1, deleting 1 entries ***",
    "*** Flush is complete after 1 round ***",
    "*** Round 1, deleting 3 entries ***",
    "*** Flush not complete bailing out after 10 rounds",
  ];
  assert.deepEqual(readFlushes(lines), { removed: 16, ended: 4 });
});

Deno.test("readFlushes() doesn't take a flush as ended that stopped half-way, nor what it doesn't know", () => {
  const lines = ["*** Round 1, deleting 12 entries ***", "Nothing to flush", "deleting 5 entries"];
  assert.deepEqual(readFlushes(lines), { removed: 12, ended: 0 });
  assert.deepEqual(readFlushes([]), { removed: 0, ended: 0 });
});

Deno.test("bailsOut() knows the line of a flush that entries keep coming back to", () => {
  assert.equal(bailsOut("*** Flush not complete bailing out after 10 rounds"), true);
  assert.equal(bailsOut("*** Flush is complete after 10 rounds ***"), false);
});
