/** What PSScriptAnalyzer says of install.ps1, and of the commands that docs/windows.md has people type. */
import assert from "node:assert/strict";
import { checkoutPath } from "../wine/paths.ts";
import { openWineSession } from "../wine/session.ts";
import { runPowerShell } from "./installer.ts";

/** Texts that each have something that Windows PowerShell 5.1 has not, and the rule that knows. */
const newer: Readonly<Record<string, RegExp>> = {
  "$a = $true ? 1 : 2; $a": /^1: PSUseCompatibleSyntax: /,
  "Get-Item x && Get-Item y": /^1: PSUseCompatibleSyntax: /,
  "Remove-Service -Name ArpFlush": /^1: PSUseCompatibleCommands: .*'5\.1/,
  "Get-Content -AsByteStream x": /^1: PSUseCompatibleCommands: .*'5\.1/,
  "Get-NetNeighbor -Address x": /^1: PSUseCompatibleCommands: .*'5\.1/,
  "if ('a' {": /^1: UnexpectedToken: /,
};

Deno.test("install.ps1 and the commands of docs/windows.md are for Windows PowerShell 5.1 and 7", async () => {
  const script = await Deno.readTextFile(`${checkoutPath}/install.ps1`);
  const page = await Deno.readTextFile(`${checkoutPath}/docs/windows.md`);
  const blocks = [...page.matchAll(/^ *```powershell\n(.*?)```/gms)].map(([, block]) =>
    block.trimEnd()
  );
  assert.ok(blocks.length >= 12);
  await using session = await openWineSession();
  const texts = [script, ...blocks, ...Object.keys(newer)];
  const findings = await runPowerShell<string[][]>(session, "analyze.ps1", texts);
  const found = findings.slice(0, 1 + blocks.length).flat();
  // Get-ChildItem has this one in the drive Cert: alone.
  assert.deepEqual(found.filter((text) => !text.includes("'CodeSigningCert'")), []);
  for (const [i, rule] of Object.values(newer).entries()) {
    const [finding] = findings[1 + blocks.length + i];
    assert.match(finding, rule);
  }
});
