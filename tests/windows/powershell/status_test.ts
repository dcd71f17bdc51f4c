/** What install.ps1 status says of an installation that is broken. */
import assert from "node:assert/strict";
import { openInstaller, type Run, textOf } from "./installer.ts";

const RouterKeys = [`arpflush-public-${"A".repeat(43)}`];
const install: Run = { parameters: { Action: "install", RouterKeys } };
const uninstall: Run = { parameters: { Action: "uninstall", Purge: true } };

const installer = await openInstaller("stand-ins");
Deno.test.afterAll(async () => await installer[Symbol.asyncDispose]());

const settings = "HKLM:\\SOFTWARE\\NPSL\\ArpFlush";
const folder = "C:\\Program Files\\ArpFlush";
const started = { Id: 1, Level: 4, Text: "Started version 0.1.0\r\nadvice" };
const flushed = { Id: 10, Level: 4, Text: "Flushed all for the start: 3 entries removed" };
const failed = {
  Id: 11,
  Level: 2,
  Text: "Cannot flush all: FlushIpNetTable2 returned 5\r\nadvice",
};

/** Changes what the firewall's double holds. */
function firewall(change: string): string {
  return `$store = Get-Store; ${change}; Save-Store $store`;
}

const set = (name: string, value: string) =>
  `Set-ItemProperty ${settings} ${name} ${value} -ErrorAction Stop;`;
const stop =
  "Stop-Service ArpFlush; Get-Process arpflush-service -ErrorAction Ignore | Wait-Process;";
const secret = `arpflush-secret-${"S".repeat(43)}`;
const noRule = /no enabled firewall rule lets the program receive on UDP port 27735/;
const noRun = /arpflush-service\.exe doesn't run: /;

/** Each state with what breaks it, or what the event log holds, and what is said. */
const states: Readonly<Record<string, readonly [string | Pick<Run, "events">, ...RegExp[]]>> = {
  stopped: [stop, /the service is stopped/, /it doesn't listen on UDP port 27735/],
  "not started at boot": [
    "Set-Service ArpFlush -StartupType Manual",
    /the service doesn't start by itself/,
  ],
  "a start type that makes no sense": [
    String
      .raw`Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\ArpFlush Start x -Type String`,
    /the service doesn't start by itself/,
  ],
  "program gone": [
    `${stop} Remove-Item '${folder}\\arpflush-service.exe'`,
    noRun,
    /^version *\nstate/m,
  ],
  "not a program": [`${stop} Set-Content '${folder}\\arpflush-service.exe' x`, noRun],
  "another port set than it listens on": [
    set("Port", "28000"),
    /it doesn't listen on UDP port 28000/,
  ],
  "a setting without sense": [set("Port", "nonsense"), /Port: this is not a whole number/],
  "two settings out of range": [
    set("Port", "70000") + set("HoldDownSeconds", "0"),
    /HoldDownSeconds: 0 is not/,
    /Port: this is not/,
  ],
  "settings of other kinds than theirs": [
    set("RouterKeys", "1 -Type DWord") + set("HoldDownSeconds", "0") +
    ["Password", "AllowedSources", "LogLevel", "Keys", "Count"]
      .map((name) => set(name, "([byte[]] (1, 2)) -Type Binary")).join(""),
    /HoldDownSeconds: 0 is not/,
    /^settings +AllowedSources = 1, 2\n +Count = 1, 2$/m,
  ],
  "a secret key where a public one belongs": [
    set("RouterKeys", `'${secret}'`) + set("HoldDownSeconds", "0"),
    /^routerKeys +\(a secret key\)$/m,
  ],
  "a firewall rule for another port": [
    firewall("$store.Rules[0].LocalPort = @('80', '1000')"),
    noRule,
  ],
  "a firewall that is stopped": [
    firewall("$store.IsStopped = $true"),
    /the firewall can't be asked: There are no more endpoints/,
  ],
  "no firewall rule": ["Remove-NetFirewallRule ArpFlush", noRule],
  "firewall rule disabled": [firewall("$store.Rules[0].Enabled = 'False'"), noRule],
  "a rule by policy that blocks": [
    firewall(`$block = $store.Rules[0].Clone()
      $block.Name = 'other'; $block.Action = 'Block'; $block.PolicyStoreSourceType = 'GroupPolicy'
      $store.Rules += $block`),
    /a firewall rule blocks the program/,
  ],
  "local rules ignored by policy": [
    firewall("$store.Profiles[0].AllowLocalFirewallRules = 'False'"),
    /the firewall rule has no effect: a policy has Windows ignore local rules \(Domain\)/,
  ],
  "everything shut out": [
    firewall("$store.Profiles[2].AllowInboundRules = 'False'"),
    /the firewall lets nothing in, whatever its rules say \(Public\)/,
  ],
  "the last flush failed": [
    { events: [failed, started] },
    /the last flush failed: Cannot flush all: FlushIpNetTable2 returned 5$/m,
    /^events +2026-03-04T05:06:07Z error 11 Cannot flush .*\n +2026-03-04T05:06:07Z information 1 Started/m,
  ],
  "an event log that is stopped": [
    { events: "stopped" },
    /the event log can't be asked: The RPC server is unavailable\.$/m,
  ],
  "registration gone": [`${stop} Remove-Service ArpFlush`, /the service is absent/],
};

/** A sound installation, of which `mend` makes one again whatever the next state has broken but the registration. */
const sound: Run = { ...install, fresh: true };
const keep = String.raw`$global:Rules = Get-Content -Raw C:\firewall.json
  Copy-Item '${folder}\arpflush-service.exe' C:\sound.exe`;
const mend = String.raw`Set-Content C:\firewall.json $global:Rules
  Remove-ItemProperty ${settings} -Name (Get-Item ${settings}).GetValueNames()
  Set-ItemProperty ${settings} RouterKeys @('${RouterKeys[0]}') -Type MultiString
  if ((Get-Service ArpFlush).Status -ne 'Running') { Copy-Item C:\sound.exe '${folder}\arpflush-service.exe' }
  Set-Service ArpFlush -StartupType AutomaticDelayedStart -Status Running;`;

Deno.test("install.ps1 status says what is wrong", async (t) => {
  const [, whole, ...reports] = await installer.run(
    sound,
    { before: keep },
    ...Object.values(states).map(([broken]): Run =>
      typeof broken === "string" ? { before: mend + broken } : { before: mend, ...broken }
    ),
  );
  assert.equal(whole.exitCode, 0, textOf(whole));
  for (const [i, [state, [, ...says]]] of Object.entries(states).entries()) {
    await t.step(state, () => {
      const report = reports[i];
      assert.equal(report.exitCode, 3, textOf(report));
      assert.match(textOf(report), /^health +not healthy$/m);
      for (const words of says) assert.match(textOf(report), words);
      assert.doesNotMatch(textOf(report), /SSSS/);
    });
  }
});

Deno.test("install.ps1 status says of a healthy installation what it can't see from here", async () => {
  const byPolicy = (rule: string) =>
    firewall(`$store.Profiles[0].AllowLocalFirewallRules = 'False'
      $store.Rules[0].PolicyStoreSourceType = 'GroupPolicy'; $store.Rules[0].${rule}`);
  const off = firewall(
    "foreach ($one in $store.Profiles) { $one.Enabled = 'False' }; $store.Rules = @()",
  );
  const [, ...reports] = await installer.run(
    sound,
    { events: [flushed, failed] },
    { before: byPolicy("Program = '%ProgramFiles%\\ArpFlush\\arpflush-service.exe'") },
    { before: byPolicy("Program = 'Any'") },
    { before: byPolicy(`Program = '${folder}\\arpflush-service.exe'`) },
    { before: byPolicy("LocalPort = '27000-28000'") },
    { before: off },
  );
  for (const report of reports) {
    assert.equal(report.exitCode, 0, textOf(report));
    assert.match(textOf(report), /^notShown +whether requests get here: on a router, run/m);
  }
});

Deno.test("install.ps1 says what keeps a service that is only marked for deletion", async () => {
  const [, report] = await installer.run(sound, { ...uninstall, faults: [{ kind: "keep" }] });
  assert.equal(report.exitCode, 1);
  assert.match(textOf(report), /marked for deletion.*services\.msc/);
});
