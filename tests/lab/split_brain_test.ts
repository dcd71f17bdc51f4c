/** After a time with two masters hosts are at the one that is left, whichever heard the other first. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { labLacks } from "./failover.ts";
import type { SplitBrain } from "./split_brain.ts";

const name = "packaging/keepalived.conf heals hosts after a time with two masters";
Deno.test({ name, ignore: await labLacks() !== null }, async () => {
  await pack("dist/arpflush");
  const isolation = await findIsolation();
  assert.ok("argv" in isolation);
  const program = `${import.meta.dirname}/split_brain.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", program];
  const env = { TMPDIR: "/run" };
  const signal = AbortSignal.timeout(180_000);
  const { code, stdout, stderr } = await outcomeOf([...isolation.argv, ...deno], { env, signal });
  assert.equal(code, 0, stderr);
  const { master, rounds, reports, keepalived }: SplitBrain = JSON.parse(stdout);
  const said = [...reports, ...keepalived].join("\n");
  for (const { first, split, joined } of rounds) {
    assert.notEqual(split.linkLayerAddress, master, `${first} first\n${said}`);
    assert.deepEqual(joined, { linkLayerAddress: master, answers: 3 }, `${first} first\n${said}`);
  }
  // All that the senders said was good.
  for (const report of reports) assert.match(report, /^<30>arpflush\[\d+\]: Flush: .* 1 healed$/);
});
