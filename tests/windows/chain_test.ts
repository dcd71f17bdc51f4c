/** Runs chain_program.ts in namespaces. Needs root, keepalived, nft and wine/setup.sh. */
import assert from "node:assert/strict";
import { outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { compiled } from "./wine/executables.ts";
import { checkoutPath } from "./wine/paths.ts";

Deno.test("after a failover the compiled service heals a host that ignores gratuitous ARP", async () => {
  const isolation = await findIsolation();
  assert.ok("argv" in isolation, "no namespaces");
  // The namespaces lead nowhere, and a fresh machine's first compilation fetches the bundler.
  for (const target of ["linux-x64", "windows-x64"] as const) await compiled(target);
  const program = "tests/windows/chain_program.ts";
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", program];
  const options = { cwd: checkoutPath, signal: AbortSignal.timeout(180_000) };
  const { code, stdout, stderr } = await outcomeOf([...isolation.argv, ...deno], options);
  console.log(stdout);
  assert.equal(code, 0, stderr);
});
