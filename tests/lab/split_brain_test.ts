/** After a time with two masters hosts are at the one that is left, whichever heard the other first. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { labLacks } from "./failover.ts";
import type { Hook, SplitBrain } from "./split_brain.ts";

const ignore = await labLacks() !== null;

/** Plays it, and expects that the host ends up at the one master both times. */
async function joinTwice(hook: Hook): Promise<SplitBrain> {
  await pack("dist/arpflush");
  const isolation = await findIsolation();
  assert.ok("argv" in isolation);
  const program = `${import.meta.dirname}/split_brain.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", program, hook];
  const env = { TMPDIR: "/run" };
  const signal = AbortSignal.timeout(180_000);
  const { code, stdout, stderr } = await outcomeOf([...isolation.argv, ...deno], { env, signal });
  assert.equal(code, 0, stderr);
  const result: SplitBrain = JSON.parse(stdout);
  const { master, rounds, reports, lines, keepalived } = result;
  const said = [...reports, ...lines, ...keepalived].join("\n");
  for (const { first, split, joined } of rounds) {
    assert.notEqual(split.linkLayerAddress, master, `${first} first\n${said}`);
    assert.deepEqual(joined, { linkLayerAddress: master, answers: 3 }, `${first} first\n${said}`);
  }
  return result;
}

Deno.test("packaging/keepalived.conf heals hosts after a time with two masters", {
  ignore,
}, async () => {
  // All that the senders said was good.
  for (const report of (await joinTwice("scripts")).reports) {
    assert.match(report, /^<30>arpflush\[\d+\]: Flush: .* 1 healed$/);
  }
});

Deno.test("arpflush-router heals hosts after a time with two masters, in a sync group", {
  ignore,
}, async () => {
  const { reports, lines } = await joinTwice("daemon");
  const texts = reports.map((report) => report.replace(/^<\d+>arpflush\[\d+\]: /, ""));
  const said = [...texts, ...lines].join("\n");
  for (const line of ['INSTANCE "lan" MASTER_RX_LOWER_PRI', 'GROUP "both" MASTER']) {
    assert.ok(lines.some((one) => one.startsWith(`r1: ${line}`)), said);
  }
  // The winner heard the loser's advert first, and then the loser the winner's.
  for (const flushed of ["lan is MASTER_RX_LOWER_PRI", "(lan|more) is BACKUP"]) {
    const pattern = new RegExp(`^INSTANCE ${flushed}: a flush on e0$`);
    assert.ok(texts.some((text) => pattern.test(text)), said);
  }
  assert.ok(!texts.some((text) => /unknown|STUCK|missing/.test(text)), said);
});
