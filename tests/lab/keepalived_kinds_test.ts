/**
 * Real keepalived in many configurations, each failed over and back: every word of every report is
 * compared with each host's own kernel and with a ping.
 */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { labLacks } from "./failover.ts";
import { kinds } from "./keepalived_kinds.ts";
import type { KindResult } from "./keepalived_run.ts";
import { liesIn, type Report } from "./words.ts";

async function play(name: string): Promise<KindResult> {
  const isolation = await findIsolation();
  assert.ok("argv" in isolation);
  const program = `${import.meta.dirname}/keepalived_run.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", program, name];
  const env = { TMPDIR: "/run" };
  const signal = AbortSignal.timeout(180_000);
  const { code, stdout, stderr } = await outcomeOf([...isolation.argv, ...deno], { env, signal });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const ignore = await labLacks() !== null;

Deno.test.beforeAll(async () => {
  if (!ignore) await pack("dist/arpflush");
});

for (const [kind, { usesVmac }] of Object.entries(kinds)) {
  const name = `No false word over a failover and back: ${kind}`;
  Deno.test({ name, ignore }, async () => {
    const { faults, reports, findings, log } = await play(kind);
    assert.deepEqual(faults, [], log.join("\n"));
    // Each router as a new master and as a backup.
    assert.ok(reports.r1 >= 2 && reports.r2 >= 2, JSON.stringify(reports));
    assert.ok(findings.healed > 0);
    if (usesVmac !== true) assert.ok(findings.stuck > 0, "the permanent entry was seen");
  });
}

/** What a sender says of one host and one address, what is so, and whether that is a lie. */
const words: [finding: string, state: string, answered: boolean, mac: string, lies: number][] = [
  ["healed", "healed", true, "own", 0],
  ["healed", "healed", false, "own", 1],
  ["healed", "healed", true, "other", 1],
  ["stuck", "stuck", false, "other", 0],
  ["stuck", "stuck", true, "own", 1],
  ["stuck", "healed", false, "other", 1],
  ["no answer", "no answer", false, "", 0],
  ["no answer", "no answer", true, "own", 1],
  ["no matter", "flushed", false, "", 0],
  ["no matter", "flushed", true, "own", 1],
  ["unverified", "unverified", true, "own", 1],
];
for (const [finding, state, answered, mac, lies] of words) {
  Deno.test(`liesIn() finds ${lies} in "${finding}", ${state}, answered ${answered} at ${mac}`, () => {
    const report: Report = {
      ...{ exitCode: ["healed", "flushed"].includes(state) ? 0 : 3, summary: "" },
      ...{ faults: [], hindrances: [], warnings: [] },
      hosts: [{ host: "h", state, text: state, reports: [{ address: "a", finding }] }],
      missing: { count: 0, names: [] },
    };
    const sight = { onLink: true, answered, linkLayerAddress: mac || null };
    const router = { addresses: new Set(["a"]), linkLayerAddresses: new Set(["own"]) };
    assert.equal(liesIn(report, new Map([["h", new Map([["a", sight]])]]), router).length, lies);
  });
}
