/** install.ps1 read by PowerShell's own parser: what Windows PowerShell 5.1 lacks is not in it. */
import assert from "node:assert/strict";
import { type SettingKind, settingTable } from "../../../lib/config/settings.ts";
import { checkoutPath } from "../wine/paths.ts";
import { missingForHost, readSyntax, type SyntaxFacts } from "./host.ts";

const script = `${checkoutPath}/install.ps1`;
const missing = await missingForHost();
if (missing !== null) console.log(`Skipped, this machine lacks ${missing}`);
const facts = missing === null ? await readSyntax(script) : null;

function check(name: string, test: (facts: SyntaxFacts) => void | Promise<void>): void {
  Deno.test(`install.ps1 ${name}`, { ignore: facts === null }, async () => {
    assert.ok(facts !== null);
    await test(facts);
  });
}

check("has no syntax errors", ({ errors }) => assert.deepEqual(errors, []));

check("is ASCII, which 5.1 reads the same in every language", async () => {
  const bytes = await Deno.readFile(script);
  assert.deepEqual(
    bytes.filter((byte) => byte > 126 || byte < 32 && byte !== 10),
    new Uint8Array(),
  );
});

check("has no syntax that 5.1 lacks", ({ nodeKinds, tokenKinds, background, ...rest }) => {
  const newNodes = ["TernaryExpressionAst", "PipelineChainAst", "DynamicKeywordStatementAst"];
  assert.deepEqual(nodeKinds.filter((kind) => newNodes.includes(kind)), []);
  const newTokens = [
    "AndAnd",
    "OrOr",
    "QuestionMark",
    "QuestionQuestion",
    "QuestionQuestionEquals",
    "QuestionDot",
    "QuestionLBracket",
    "Clean",
  ];
  assert.deepEqual(tokenKinds.filter((kind) => newTokens.includes(kind)), []);
  assert.equal(background, false);
  // Literals: `u{…} and `e, suffixes u, y, s, n and 0b.
  assert.deepEqual(rest.strings.filter((text) => /^"[^]*`[eu]/.test(text)), []);
  assert.deepEqual(rest.numbers.filter((text) => /[uysn]$|^0b/i.test(text)), []);
  assert.deepEqual(rest.replacementBlocks, []);
});

check("uses no variable that 5.1 lacks", ({ variables }) => {
  const fromCore =
    /^(Is(Windows|Linux|MacOS|CoreCLR)|PSStyle|EnabledExperimentalFeatures|PSNative)/i;
  assert.deepEqual(variables.filter((name) => fromCore.test(name)), []);
});

check("uses only types of .NET Framework 4.6.2", ({ types }) => {
  // PowerShell's own, in 5.1's System.Management.Automation too.
  const ofPowerShell = ["CmdletBinding", "Parameter", "ValidateSet", "ValidateRange"];
  const unknown = types.filter(({ name, known }) => !known && !ofPowerShell.includes(name));
  assert.deepEqual(unknown, []);
});

check("uses only members that .NET Framework 4.6.2 has, with as many arguments", ({ members }) => {
  const ofPowerShell = [
    // $PSCmdlet, $Host.UI
    "ShouldProcess",
    "WriteObject",
    "WriteVerbose",
    "WriteWarning",
    "WriteErrorLine",
    "GetUnresolvedProviderPathFromPSPath",
    "UI",
  ];
  // Entries of the script's own hashtables are written as members.
  const bad = members.filter(({ name, count, known, type }) =>
    !known && !ofPowerShell.includes(name) && (count !== null || type !== null)
  );
  assert.deepEqual(bad, []);
});

check("uses cmdlets of the engine alone, and no string is run", ({ commands, functions }) => {
  const own = new Set(functions.map(({ name }) => name));
  const cmdlets = ["Set-StrictMode", "Where-Object"];
  const others = commands.filter(({ name }) =>
    name !== null && !own.has(name) && !cmdlets.includes(name)
  );
  assert.deepEqual(others, []);
});

check("runs programs in one place, which looks at the exit code", (found) => {
  const { commands, members, functions } = found;
  // What is called by "&" are script blocks: steps and what reads a value.
  const called = commands.filter(({ invocation }) => invocation === "Ampersand")
    .map(({ text }) => text.split(" ")[1].replace(/\)$/, ""));
  assert.deepEqual([...new Set(called)].sort(), ["$step.Do", "$step.Undo"]);
  assert.ok(commands.every(({ invocation }) => invocation !== "Dot"));
  const starts = members.filter(({ type, name }) => type?.endsWith("Process") && name === "Start");
  assert.equal(starts.length, 1);
  assert.ok(functions.some(({ name }) => name === "Invoke-Program"));
  // The programs are named by absolute path in the constants, and nowhere else.
  assert.deepEqual(found.strings.filter((text) => /\b(sc|netsh|icacls|wevtutil)\.exe/.test(text)), [
    String.raw`"$System32\sc.exe"`,
    String.raw`"$System32\netsh.exe"`,
    String.raw`"$System32\icacls.exe"`,
    String.raw`"$System32\wevtutil.exe"`,
  ]);
});

check("documents every parameter and has examples", ({ parameters, help }) => {
  const documented = Object.entries(help.parameters).filter(([, text]) => text.length > 10);
  assert.deepEqual(
    documented.map(([name]) => name.toUpperCase()).sort(),
    parameters.map((name) => name.toUpperCase()).sort(),
  );
  assert.ok((help.synopsis ?? "").length > 10);
  assert.ok((help.description ?? "").includes("Exit codes"));
  assert.ok(help.examples.length >= 4);
});

const registryKinds: Readonly<Record<SettingKind, string>> = {
  number: "DWord",
  boolean: "DWord",
  text: "String",
  list: "MultiString",
};

check("knows every setting of the service, its kind and its default", async ({ parameters }) => {
  const text = await Deno.readTextFile(script);
  const table = [...text.matchAll(/^ {4}(\w+) = @\{ Kind = '(\w+)'; Default = '?(.*?)'? \}$/gm)]
    .map(([, ...fields]) => fields.join(" "));
  const wanted = Object.entries(settingTable).map(([name, { kind, default: value }]) => {
    const shown = name === "KeyFile" ? String.raw`C:\ProgramData\ArpFlush\key` : value;
    return `${name} ${registryKinds[kind]} ${typeof shown === "boolean" ? Number(shown) : shown}`;
  });
  assert.deepEqual(table.sort(), wanted.sort());
  // A key comes from a file of that name; a service has no lines on stderr.
  const lacking = Object.keys(settingTable).filter((name) => !parameters.includes(name));
  assert.deepEqual(lacking, ["LogFormat"]);
});

check("gives every step a name and advice, and says how it is undone", ({ steps }) => {
  assert.ok(steps.length > 10);
  for (const { names, keys } of steps) {
    const always = ["Advice", "Do", "Name", "Target"];
    const isCheck = !keys.includes("IsSo");
    const needed = isCheck ? always : [...always, "Before", "IsSo", "Undo"];
    assert.deepEqual(keys, needed.sort(), names.join());
  }
});

check("has functions that fit on a screen or two", ({ functions }) => {
  assert.deepEqual(functions.filter(({ lines }) => lines > 65), []);
});
