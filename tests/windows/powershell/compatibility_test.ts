/** What PSScriptAnalyzer says of the scripts that Windows runs, and of the commands that docs/windows.md has people type. */
import assert from "node:assert/strict";
import { checkoutPath } from "../wine/paths.ts";
import { openWineSession } from "../wine/session.ts";
import { startPowerShell } from "./installer.ts";

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
  const scripts = await Promise.all(
    ["install.ps1", ".github/windows_life.ps1"].map((name) =>
      Deno.readTextFile(`${checkoutPath}/${name}`)
    ),
  );
  const page = await Deno.readTextFile(`${checkoutPath}/docs/windows.md`);
  const blocks = [...page.matchAll(/^ *```powershell\n(.*?)```/gms)].map(([, block]) =>
    block.trimEnd()
  );
  assert.ok(blocks.length >= 12);
  await using session = await openWineSession();
  const texts = [...scripts, ...blocks, ...Object.keys(newer)];
  const findings = await startPowerShell(session, "analyze.ps1")<string[][]>(texts);
  const clean = scripts.length + blocks.length;
  const found = findings.slice(0, clean).flat();
  // Get-ChildItem has this one in the drive Cert: alone.
  assert.deepEqual(found.filter((text) => !text.includes("'CodeSigningCert'")), []);
  for (const [i, rule] of Object.values(newer).entries()) {
    const [finding] = findings[clean + i];
    assert.match(finding, rule);
  }
});
