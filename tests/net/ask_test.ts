/** Hosts that run no service are asked, and each verdict is what the host's own kernel says. */
import assert from "node:assert/strict";
import type { CommandOutcome } from "../support/command.ts";
import { type AskedHost, type Kind, macs, openAskedNetwork } from "./asked_hosts.ts";

/** A result as --json has it. */
interface Asked {
  readonly host: string;
  readonly address: string;
  readonly verdict: string;
  readonly linkLayerAddress: string | null;
  readonly ms: number;
}

function askedIn({ stdout, stderr }: CommandOutcome): Map<string, Asked> {
  assert.ok(stdout.startsWith("{"), stdout + stderr);
  const { asked }: { asked: readonly Asked[] } = JSON.parse(stdout);
  return new Map(asked.map((one) => [one.host, one]));
}

/** What is to be said of a host of each kind when nobody remembers it, and when it is remembered. */
const verdicts: Readonly<Record<Kind, readonly [unknown: string, known: string]>> = {
  "plain": ["healed", "healed"],
  "GARP dropped": ["healed", "healed"],
  "drop_gratuitous_arp": ["healed", "healed"],
  "echo firewalled": ["healed", "healed"],
  "all inbound firewalled": ["asked", "asked"],
  "permanent entry": ["stuck", "stuck"],
  "by way of the old master": ["stuck", "stuck"],
  "drops the router's ARP": ["no answer", "stuck"],
  "off": ["no answer", "no answer"],
};

async function isRight(host: AskedHost, address: string): Promise<boolean> {
  return await host.entryOf(address) === macs.router;
}

Deno.test("--ask judges a host of each kind by what its own kernel has", async () => {
  const kinds = Object.keys(verdicts) as Kind[];
  await using network = await openAskedNetwork(kinds.map((kind) => [kind, 1]));
  for (const known of [false, true]) {
    await network.goStale();
    if (known) await network.learn();
    const outcome = await network.ask(["--json", "--pace", "1000", "-A", "192.0.2.1"]);
    const asked = askedIn(outcome);
    for (const host of network.hosts) {
      const result = asked.get(host.ipv4[0]);
      const what = `${host.kind}, ${known ? "known" : "unknown"}: ${JSON.stringify(result)}`;
      assert.equal(result?.verdict, verdicts[host.kind][Number(known)], what);
      if (host.kind === "off") continue;
      const isStuck = /stuck|no answer/.test(result?.verdict ?? "");
      assert.equal(await isRight(host, "192.0.2.1"), !isStuck, what);
      if (result?.verdict === "stuck") {
        const at = host.kind === "by way of the old master" ? macs.old : macs.dead;
        assert.equal(result.linkLayerAddress, at, what);
      }
    }
    assert.equal(outcome.code, 3);
  }
});
