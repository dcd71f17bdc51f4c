/** What install.ps1 status says of an installation that is broken. */
import assert from "node:assert/strict";
import { openInstaller, type Run, textOf } from "./installer.ts";

const RouterKeys = [`arpflush-public-${"A".repeat(43)}`];
const install: Run = { parameters: { Action: "install", RouterKeys } };
const uninstall: Run = { parameters: { Action: "uninstall", Purge: true } };

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

/** Each state with what breaks it, and what is said. */
const states: Readonly<Record<string, { readonly run: Run; readonly says: readonly RegExp[] }>> = {
  stopped: {
    run: { before: "Stop-Service ArpFlush" },
    says: [/the service is stopped/, /it doesn't listen on UDP port 27735/],
  },
  "not started at boot": {
    run: { before: "Set-Service ArpFlush -StartupType Manual" },
    says: [/the service doesn't start by itself/],
  },
  "program gone": {
    run: {
      before: `Stop-Service ArpFlush; Start-Sleep 1; Remove-Item '${folder}\\arpflush-service.exe'`,
    },
    says: [/arpflush-service\.exe doesn't run: /],
  },
  "not a program": {
    run: {
      before:
        `Stop-Service ArpFlush; Start-Sleep 1; Set-Content '${folder}\\arpflush-service.exe' x`,
    },
    says: [/arpflush-service\.exe doesn't run: /],
  },
  "registration gone": {
    run: { before: "Stop-Service ArpFlush; Remove-Service ArpFlush" },
    says: [/the service is absent/],
  },
  "another port set than it listens on": {
    run: { before: `Set-ItemProperty ${settings} Port 28000` },
    says: [/it doesn't listen on UDP port 28000/],
  },
  "a setting without sense": {
    run: { before: `Set-ItemProperty ${settings} Port nonsense` },
    says: [/Port: this is not a whole number/],
  },
  "two settings out of range": {
    run: {
      before:
        `Set-ItemProperty ${settings} Port 70000; Set-ItemProperty ${settings} HoldDownSeconds 0`,
    },
    says: [/HoldDownSeconds: 0 is not/, /Port: this is not/],
  },
  "settings of other kinds than theirs": {
    run: {
      before: `Set-ItemProperty ${settings} RouterKeys 1 -Type DWord
        foreach ($name in 'Password', 'AllowedSources', 'LogLevel', 'Keys', 'Count') {
          Set-ItemProperty ${settings} $name ([byte[]] (1, 2)) -Type Binary
        }
        Set-ItemProperty ${settings} HoldDownSeconds 0`,
    },
    says: [/HoldDownSeconds: 0 is not/, /^settings +AllowedSources = 1, 2\n +Count = 1, 2$/m],
  },
  "a firewall rule for another port": {
    run: { before: firewall("$store.Rules[0].LocalPort = @('80', '1000')") },
    says: [/no enabled firewall rule lets the program receive on UDP port 27735/],
  },
  "a firewall that is stopped": {
    run: { before: firewall("$store.IsStopped = $true") },
    says: [/the firewall can't be asked: There are no more endpoints/],
  },
  "no firewall rule": {
    run: { before: "Remove-NetFirewallRule ArpFlush" },
    says: [/no enabled firewall rule lets the program receive/],
  },
  "firewall rule disabled": {
    run: { before: firewall("$store.Rules[0].Enabled = 'False'") },
    says: [/no enabled firewall rule lets the program receive/],
  },
  "a rule by policy that blocks": {
    run: {
      before: firewall(`$block = $store.Rules[0].Clone()
        $block.Name = 'other'; $block.Action = 'Block'; $block.PolicyStoreSourceType = 'GroupPolicy'
        $store.Rules += $block`),
    },
    says: [/a firewall rule blocks the program/],
  },
  "local rules ignored by policy": {
    run: { before: firewall("$store.Profiles[0].AllowLocalFirewallRules = 'False'") },
    says: [/the firewall rule has no effect: a policy has Windows ignore local rules \(Domain\)/],
  },
  "everything shut out": {
    run: { before: firewall("$store.Profiles[2].AllowInboundRules = 'False'") },
    says: [/the firewall lets nothing in, whatever its rules say \(Public\)/],
  },
  "the last flush failed": {
    run: { events: [failed, started] },
    says: [
      /the last flush failed: Cannot flush all: FlushIpNetTable2 returned 5$/m,
      /^events +2026-03-04T05:06:07Z error 11 Cannot flush .*\n +2026-03-04T05:06:07Z information 1 Started/m,
    ],
  },
};

const fresh: readonly Run[] = [
  { ...uninstall, before: "if (Test-Path C:\\firewall.json) { Remove-Item C:\\firewall.json }" },
  install,
];

Deno.test("install.ps1 status says what is wrong", async (t) => {
  await using installer = await openInstaller("stand-ins");
  const reports = await installer.run(
    ...Object.values(states).flatMap(({ run }) => [...fresh, run]),
  );
  for (const [i, [state, { says }]] of Object.entries(states).entries()) {
    await t.step(state, () => {
      const report = reports[3 * i + 2];
      assert.equal(report.exitCode, 3, textOf(report));
      assert.match(textOf(report), /^health +not healthy$/m);
      for (const words of says) assert.match(textOf(report), words);
    });
  }
});

Deno.test("install.ps1 status says of a healthy installation what it can't see from here", async () => {
  await using installer = await openInstaller("stand-ins");
  const byPolicy = (rule: string) =>
    firewall(`$store.Profiles[0].AllowLocalFirewallRules = 'False'
      $store.Rules[0].PolicyStoreSourceType = 'GroupPolicy'; $store.Rules[0].${rule}`);
  const off = firewall(
    "foreach ($one in $store.Profiles) { $one.Enabled = 'False' }; $store.Rules = @()",
  );
  const [, ...reports] = await installer.run(
    install,
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
  await using installer = await openInstaller("stand-ins");
  // Double of another program that has the service open: sc.exe query finds it for ever.
  const held =
    "function global:Start-Sleep {}; $global:Reals['Start-Process'] = { @{ ExitCode = 0 } }";
  const [, report] = await installer.run(install, { ...uninstall, before: held });
  assert.equal(report.exitCode, 1);
  assert.match(textOf(report), /marked for deletion.*services\.msc/);
});
