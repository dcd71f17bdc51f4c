/** The benches with small numbers: they run, and say what they are to say. No figure is judged. */
import assert from "node:assert/strict";
import { benchFlush } from "../measure/flush.ts";
import { benchLatency } from "../measure/latency.ts";
import { compilePeers, foreignReceivers } from "../measure/peers.ts";
import { benchReceivePath } from "../measure/receive_path.ts";
import { type Section, sectionText } from "../measure/section.ts";

const peers = await compilePeers();
Deno.test.afterAll(async () => await peers[Symbol.asyncDispose]());
const foreign = await foreignReceivers(peers);
const ignore = peers.program("flood") === null;

/** Every cell is there, and none says that nothing was measured. */
function assertMeasured(section: Section, rows: number): void {
  assert.equal(section.rows.length, rows);
  for (const row of section.rows) {
    assert.equal(row.length, section.header.length);
    assert.doesNotMatch(row.join(" "), /none|NaN|Infinity/);
  }
  assert.match(sectionText(section), /^## .*\n\n[^|]+\n\n\| .* \|\n/s);
}

Deno.test("benchReceivePath() measures all receivers", { ignore }, async () => {
  assertMeasured(await benchReceivePath(peers, 1, 400), 6 + foreign.length);
});

Deno.test(
  "benchLatency() measures all receivers, idle and beside forged requests",
  { ignore },
  async () => {
    assertMeasured(await benchLatency(peers, 1, 20), 2 * (1 + foreign.length));
  },
);

Deno.test("benchFlush() measures all tables", async () => {
  assertMeasured(await benchFlush(1), 6);
});
