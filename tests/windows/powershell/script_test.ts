/** What install.ps1 is written in: letters, parameters and settings. PowerShell itself reads it in the other tests. */
import assert from "node:assert/strict";
import { type SettingKind, settingTable } from "../../../lib/config/settings.ts";
import { checkoutPath } from "../wine/paths.ts";

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

Deno.test("install.ps1 knows every setting of the service and its kind, and has a parameter for it", () => {
  const [, table] = /\$SettingKinds = @\{(.*?)\}/s.exec(script) ?? [];
  const known = [...table.matchAll(/(\w+) = '(\w+)'/g)].map(([, name, kind]) => `${name} ${kind}`);
  const wanted = Object.entries(settingTable).map(([name, { kind }]) =>
    `${name} ${registryKinds[kind]}`
  );
  assert.deepEqual(known.sort(), wanted.sort());
  const [, block] = /\nparam\((.*?)\n\)\n/s.exec(script) ?? [];
  const parameters = [...block.matchAll(/ \$(\w+)( = |,|\n|$)/g)].map(([, name]) => name);
  const lacking = Object.keys(settingTable).filter((name) => !parameters.includes(name));
  // A service has no lines on stderr.
  assert.deepEqual(lacking, ["LogFormat"]);
  assert.equal(
    block.match(/^ {4}# [A-Zait]/gm)?.length,
    parameters.length,
    "each has its help above it",
  );
});
