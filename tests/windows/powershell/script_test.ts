/** How install.ps1 is written: letters, parameters, settings, and what PSScriptAnalyzer says of it and of docs/windows.md. */
import assert from "node:assert/strict";
import { type SettingKind, settingTable } from "../../../lib/config/settings.ts";
import { checkoutPath } from "../wine/paths.ts";
import { openWineSession } from "../wine/session.ts";
import { startPowerShell } from "./installer.ts";

const script = await Deno.readTextFile(`${checkoutPath}/install.ps1`);

Deno.test("install.ps1 is ASCII, which Windows PowerShell 5.1 reads the same in every language", () => {
  assert.match(script, /^[\n\x20-\x7e]*$/);
});

const registryKinds: Readonly<Record<SettingKind, string>> = {
  number: "DWord",
  boolean: "DWord",
  text: "String",
  list: "MultiString",
};

Deno.test("install.ps1 has a parameter for every setting of the service, and knows its kind", () => {
  const [, table] = /\$SettingKinds = @\{(.*?)\}/s.exec(script) ?? [];
  const known = [...table.matchAll(/(\w+) = '(\w+)'/g)].map(([, name, kind]) => `${name} ${kind}`);
  const wanted = Object.entries(settingTable)
    // A service has no lines on stderr.
    .filter(([name]) => name !== "LogFormat")
    .map(([name, { kind }]) => `${name} ${registryKinds[kind]}`);
  assert.deepEqual(known.sort(), wanted.sort());
  const [, block] = /\nparam\((.*?)\n\)\n/s.exec(script) ?? [];
  const parameters = [...block.matchAll(/ \$(\w+)( = |,|\n|$)/g)].map(([, name]) => name);
  assert.deepEqual(known.filter((kind) => !parameters.includes(kind.split(" ")[0])), []);
  assert.equal(
    block.match(/^ {4}# [A-Zait]/gm)?.length,
    parameters.length,
    "each has its help above it",
  );
});

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
  const scripts = [script, await Deno.readTextFile(`${checkoutPath}/.github/windows_life.ps1`)];
  const page = await Deno.readTextFile(`${checkoutPath}/docs/windows.md`);
  const blocks = [...page.matchAll(/^ *```powershell\n(.*?)```/gms)].map(([, block]) =>
    block.trimEnd()
  );
  assert.ok(blocks.length >= 12);
  await using session = await openWineSession();
  const texts = [...scripts, ...blocks, ...Object.keys(newer)];
  const findings = await (await startPowerShell(session, "analyze.ps1"))<string[][]>(texts);
  const clean = scripts.length + blocks.length;
  const found = findings.slice(0, clean).flat();
  // Get-ChildItem has this one in the drive Cert: alone.
  assert.deepEqual(found.filter((text) => !text.includes("'CodeSigningCert'")), []);
  for (const [i, rule] of Object.values(newer).entries()) {
    const [finding] = findings[clean + i];
    assert.match(finding, rule);
  }
});
