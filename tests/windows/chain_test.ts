/**
 * The whole chain with Windows' code on the host: see chain_program.ts. Needs root, keepalived, nft
 * and wine/setup.sh.
 */
import assert from "node:assert/strict";
import { outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { type Chain, type Failover, healed, isChain } from "./chain.ts";
import { compiled } from "./wine/executables.ts";
import { checkoutPath } from "./wine/paths.ts";

async function runChain(): Promise<Chain> {
  const isolation = await findIsolation();
  assert.ok("argv" in isolation, "no namespaces");
  // The namespaces lead nowhere, and a fresh machine's first compilation fetches the bundler.
  for (const target of ["linux-x64", "windows-x64"] as const) await compiled(target);
  const program = "tests/windows/chain_program.ts";
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", program];
  const options = { cwd: checkoutPath, signal: AbortSignal.timeout(180_000) };
  const { code, stdout, stderr } = await outcomeOf([...isolation.argv, ...deno], options);
  assert.equal(code, 0, stderr);
  const chain: unknown = JSON.parse(stdout);
  assert.ok(isChain(chain));
  return chain;
}

function assertHealed({ before, after, expected }: Failover): void {
  assert.notEqual(before, after);
  assert.equal(after, expected);
}

Deno.test("after a failover the compiled service heals a host that ignores gratuitous ARP", async () => {
  const { signed, legacy, report, ignored, lines } = await runChain();
  console.log(lines.join("\n"));
  assertHealed(signed);
  assertHealed(legacy);
  assert.ok(ignored > 0, "the host was sent gratuitous ARP, and ignored it");
  assert.match(report, healed);
});
