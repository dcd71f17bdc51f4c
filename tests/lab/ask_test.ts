/** Asking at its size, and beside a real keepalived. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { virtualAddresses } from "../net/asked_hosts.ts";
import { runAskLab } from "./ask.ts";
import type { Crowd, ScaleRun } from "./ask_scale.ts";
import { labLacks } from "./failover.ts";

const lack = await labLacks();
if (lack !== null) console.log(`The lab can't be run: this machine lacks ${lack}`);
const ignore = lack !== null;

Deno.test(
  "arpflush-router --ask has a host that runs nothing back like one that heeds gratuitous ARP",
  {
    ignore,
  },
  async () => {
    await pack("dist/arpflush");
    const { outageMs: { accepts, ignores }, report, log } = await runAskLab();
    const ratio = ignores / accepts;
    console.log(`${ignores.toFixed(0)} ms to ${accepts.toFixed(0)} ms: ${ratio.toFixed(3)}`);
    console.log(report);
    // 1.01 is the goal; a machine that does much else takes longer.
    assert.ok(ratio < 1.1, `${ignores} ms to ${accepts} ms\n${log.join("\n")}`);
    // The fourth is the lab itself.
    assert.match(report, /4 hosts were asked: 1 STUCK, (?:\d (?:healed|ok)(?:, |;)){1,2}/);
    assert.match(report, /permanent STUCK 192\.0\.2\.254 at 02:00:00:00:00:0b/);
  },
);

const [ipv4, ipv6] = virtualAddresses;
/** Hosts of all kinds on a /24, and a crowd on a /22. */
const crowds: readonly [what: string, Crowd, address: string, verdicts: Record<string, number>][] =
  [
    [
      "251 addresses",
      [
        ["plain", 80, 8],
        ["GARP dropped", 50, 8],
        ["drop_gratuitous_arp", 40, 8],
        ["echo firewalled", 21, 8],
        ["all inbound firewalled", 10, 5],
        ["permanent entry", 10, 5],
        ["drops the router's ARP", 20, 10],
        ["off", 20, 10],
      ],
      ipv4,
      {
        "plain: healed": 80,
        "GARP dropped: healed": 50,
        "drop_gratuitous_arp: healed": 40,
        "echo firewalled: healed": 21,
        "all inbound firewalled: asked": 10,
        "permanent entry: stuck": 10,
        "drops the router's ARP: no answer": 20,
        "off: no answer": 20,
      },
    ],
    [
      "994 addresses",
      [["plain", 894, 50], ["permanent entry", 20, 10], ["off", 80, 40]],
      ipv4,
      { "plain: healed": 894, "permanent entry: stuck": 20, "off: no answer": 80 },
    ],
    [
      "251 addresses of IPv6",
      [["plain", 201, 8], ["permanent entry", 30, 10], ["off", 20, 10]],
      ipv6,
      { "plain: healed": 201, "permanent entry: stuck": 30, "off: no answer": 20 },
    ],
  ];
const runs = 5;

for (const [what, crowd, address, verdicts] of crowds) {
  Deno.test(`--ask judges ${what} ${runs} times alike, as their kernels have it`, {
    ignore,
  }, async () => {
    const isolation = await findIsolation();
    assert.ok("argv" in isolation);
    const program = new URL("ask_scale.ts", import.meta.url).href;
    const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", program];
    const line = [...isolation.argv, ...deno, JSON.stringify({ crowd, runs, address })];
    const signal = AbortSignal.timeout(120_000);
    const { code, stdout, stderr } = await outcomeOf(line, { signal });
    assert.equal(code, 0, stderr);
    const ended: readonly ScaleRun[] = JSON.parse(stdout);
    for (const run of ended) {
      const { healedMs, stuckMs, elapsedMs } = run;
      const [healed, stuck, all] = [healedMs, stuckMs, elapsedMs].map((ms) => ms.toFixed(0));
      console.log(`${what}: healed in ${healed} ms, stuck in ${stuck} ms, all in ${all} ms`);
      assert.deepEqual(run.verdicts, verdicts);
      assert.deepEqual(run.wrong, []);
      // 0.4 s and 1 s are the goals; a machine that does much else takes longer.
      assert.ok(healedMs < 3_000 && stuckMs < 4_000, `${healed} ms, ${stuck} ms`);
    }
  });
}
