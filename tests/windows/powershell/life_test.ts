/** The life of an installation with stand-ins for the programs: install, keys, settings, upgrade, uninstall. */
import assert from "node:assert/strict";
import { assertMatches } from "../../support/schemas.ts";
import { checkoutPath } from "../wine/paths.ts";
import { folderPath, openInstaller, type Report, type Run, sh, textOf } from "./installer.ts";

const [r1, r2, r3] = ["A", "B", "C"].map((letter) => `arpflush-public-${letter.repeat(43)}`);
const secretKey = `arpflush-secret-${"S".repeat(43)}`;
const hostKey = `arpflush-host-${"H".repeat(43)}`;
const password = "S3cret Pässword";

const settings = String.raw`HKEY_LOCAL_MACHINE\SOFTWARE\NPSL\ArpFlush`;
const service = String.raw`HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\ArpFlush`;
const serviceExe = String.raw`"C:\Program Files\ArpFlush\arpflush-service.exe"`;

/** A registry value behind its name, with its kind. */
function valueOf({ after }: Report, key: string, name: string): string | undefined {
  const start = `value ${key} ${name} `;
  return after.find((line) => line.startsWith(start))?.slice(start.length);
}

function ruleOf({ after }: Report): string {
  return after.filter((line) => line.startsWith("rule ")).join("\n");
}

function assertEnd(report: Report, exitCode: number, text?: RegExp): void {
  assert.equal(report.exitCode, exitCode, textOf(report));
  if (text !== undefined) assert.match(textOf(report), text);
}

function assertUnchanged(report: Report): void {
  assert.deepEqual(report.after, report.before, textOf(report));
}

const install = (more: Record<string, unknown> = {}) => ({ Action: "install", ...more });
const upgrade = (more: Record<string, unknown> = {}) => ({ Action: "upgrade", ...more });

/** Runs by name, in this order on one machine. */
async function live<Name extends string>(
  runs: Readonly<Record<Name, Run>>,
): Promise<{ reports: Readonly<Record<Name, Report>>; calls: string[][] }> {
  await using installer = await openInstaller("stand-ins");
  const list = await installer.run(...Object.values<Run>(runs));
  const reports: Partial<Record<Name, Report>> = {};
  (Object.keys(runs) as Name[]).forEach((name, i) => reports[name] = list[i]);
  return { reports: reports as Record<Name, Report>, calls: await installer.calls() };
}

Deno.test("install.ps1 changes nothing when it is asked to do nothing, or can't", async () => {
  const { reports } = await live({
    absent: {},
    upgrade: { parameters: upgrade() },
    whatIf: { parameters: install({ RouterKeys: [r1], WhatIf: true }) },
    withoutKeys: { parameters: install() },
    tampered: { parameters: install({ RouterKeys: [r1], Source: folderPath("tampered") }) },
    noSource: { positions: ["install", "", r1] },
    secret: { parameters: install({ RouterKeys: [r1, secretKey] }) },
    secretAdded: { parameters: install({ AddRouterKey: secretKey }) },
    hostKey: { parameters: install({ RouterKeys: [hostKey] }) },
    noKey: { parameters: install({ RouterKeys: ["arpflush-public-short"] }) },
    uninstall: { parameters: { Action: "uninstall" } },
    constrained: { constrained: true },
  });
  for (const report of Object.values(reports)) assertUnchanged(report);
  assertEnd(reports.constrained, 2, /^Cannot run here: by policy only scripts that are signed/);
  assertEnd(reports.absent, 4, /^ArpFlush is not installed$/);
  assertEnd(reports.upgrade, 4, /use install$/);
  assertEnd(reports.whatIf, 0);
  assertEnd(reports.withoutKeys, 2, /^Failed: Cannot install without -RouterKeys/);
  assertEnd(reports.tampered, 2, /its SHA-256 is not the one in SHA256SUMS$/);
  assertEnd(reports.noSource, 2, /give -Source$/);
  assertEnd(reports.secret, 2, /^Failed: Cannot take -RouterKeys: this is a secret key/);
  assertEnd(reports.secretAdded, 2, /^Failed: Cannot take -AddRouterKey: this is a secret key/);
  assertEnd(reports.hostKey, 2, /a router's public key is/);
  assertEnd(reports.noKey, 2, /a router's public key is/);
  assertEnd(reports.uninstall, 0, /^Nothing had to be removed$/);
  for (const report of Object.values(reports)) {
    assert.doesNotMatch(
      textOf(report),
      /SSSS|HHHH|short/,
      "what isn't a router's key is not shown",
    );
  }
});

Deno.test("install.ps1 installs, upgrades and uninstalls", async (t) => {
  const options = {
    Port: 27999,
    Listen: "0.0.0.0,::",
    Password: { secret: password },
    HoldDownSeconds: 7,
    ClockToleranceSeconds: 90,
    // As powershell -File passes a list.
    AllowedSources: "192.0.2.0/24, 2001:db8::/32",
    FlushOnStart: "false",
    FlushOnNetworkChange: "false",
    RefreshAddresses: ["gateway"],
    RefreshSeconds: 45,
    MetricsFile: String.raw`C:\Program Files\ArpFlush\metrics\arpflush.prom`,
    LogLevel: "debug",
  };
  const programs = ["arpflush-service.exe", "arpflush.exe"].map((name) =>
    `'${folderPath("first").replaceAll("'", "''")}\\${name}'`
  );
  // Nobody else can read them.
  const hold = `$global:Held = @(${
    programs.map((path) => `[IO.File]::Open(${path}, 'Open', 'Read', 'None')`).join("; ")
  })`;
  const { reports, calls } = await live({
    absent: {},
    install: { parameters: install({ RouterKeys: [r1, r2], Verbose: true }) },
    again: { parameters: install({ RouterKeys: [r1, r2] }), before: hold },
    table: { before: "$global:Held | ForEach-Object { $_.Dispose() }" },
    json: { parameters: { Json: true } },
    remote: { positions: ["status"] },
    keys: { parameters: upgrade({ AddRouterKey: [r3], RemoveRouterKey: `${r1},${r3}` }) },
    addKey: { parameters: upgrade({ AddRouterKey: [r3] }) },
    options: { parameters: install({ Verbose: true, ...options }) },
    optionsAgain: { parameters: install(options) },
    optionsTable: {},
    badSetting: { parameters: install({ HoldDownSeconds: 5000 }) },
    whatIf: { parameters: upgrade({ Port: 30_000, WhatIf: true }), from: "second" },
    whatIfGone: { parameters: { Action: "uninstall", Purge: true, WhatIf: true } },
    spoiled: { parameters: upgrade(), from: "second", faults: [{ kind: "spoil" }] },
    upgrade: {
      parameters: upgrade(),
      from: "second",
      before: String.raw`$null = New-Item HKLM:\SOFTWARE\Double
        Set-ItemProperty HKLM:\SOFTWARE\Double Linger 2000`,
      faults: [{ kind: "watch" }],
    },
    broken: { parameters: upgrade(), from: "broken" },
    uninstall: {
      parameters: { Action: "uninstall" },
      before: String.raw`Set-Location 'C:\Program Files\ArpFlush'`,
      faults: [{ kind: "watch" }],
    },
    uninstallAgain: {
      parameters: { Action: "uninstall" },
      before: String.raw`Remove-Item HKLM:\SOFTWARE\Double`,
    },
    back: { positions: ["install", folderPath("first")] },
    keyless: { parameters: upgrade({ RemoveRouterKey: [r2, r3] }) },
    purge: { parameters: { Action: "uninstall", Purge: true } },
  });
  const all = Object.values(reports);

  await t.step(
    "install ends healthy, and a second time changes nothing and reads no program",
    () => {
      assertEnd(reports.install, 0, /^health +healthy$/m);
      assert.ok(reports.install.after.includes("service Running"));
      assert.equal(valueOf(reports.install, settings, "RouterKeys"), `MultiString ${r1} | ${r2}`);
      assert.ok(
        reports.install.after.some((line) =>
          /^access .*D:.*\(A;CI;KA;;;SY\)\(A;CI;KA;;;BA\)$/.test(line)
        ),
      );
      assert.match(
        ruleOf(reports.install),
        /LocalPort=27735 .*Profile=Any .*RemoteAddress=LocalSubnet/,
      );
      assertEnd(reports.again, 0, /^Nothing had to be changed$/);
      assertUnchanged(reports.again);
      for (const { after } of all) {
        assert.ok(after.some((line) => line.endsWith("data False")), "nothing is in ProgramData");
      }
    },
  );

  await t.step("sc.exe is told this, as Windows takes its command line apart", () => {
    const told = calls.slice(0, calls.findIndex(([verb]) => verb === "control"));
    assert.deepEqual(told, [
      [
        "create",
        "ArpFlush",
        "start=",
        "delayed-auto",
        "binPath=",
        serviceExe,
        "depend=",
        "Nsi/Tcpip",
      ],
      [
        "description",
        "ArpFlush",
        "Flushes the neighbor (ARP) cache when a router asks for it after a failover.",
      ],
      [
        "failure",
        "ArpFlush",
        "reset=",
        "86400",
        "actions=",
        "restart/5000/restart/5000/restart/60000",
      ],
      ["failureflag", "ArpFlush", "1"],
      ["sidtype", "ArpFlush", "unrestricted"],
      ["privs", "ArpFlush", "SeChangeNotifyPrivilege"],
    ]);
  });

  await t.step("status tells people and machines the same", async () => {
    await assertMatches("install-status", textOf(reports.json));
    const { problems, ...status } = JSON.parse(textOf(reports.json));
    assert.deepEqual(problems, []);
    assert.deepEqual({ ...status, hostKey: null }, {
      health: "healthy",
      version: "0.1.0",
      state: "running",
      account: "LocalSystem",
      startType: "delayed-auto",
      port: 27735,
      listening: true,
      routerKeys: [r1, r2],
      hostKey: null,
      settings: [],
      events: [],
      notShown: status.notShown,
    });
    for (const report of [reports.table, reports.remote]) {
      assertEnd(report, 0, new RegExp(`^routerKeys +${r1}\n +${r2}$`, "m"));
      assertUnchanged(report);
    }
  });

  await t.step("keys go in and out without a restart", () => {
    assertEnd(reports.keys, 0);
    assert.equal(valueOf(reports.keys, settings, "RouterKeys"), `MultiString ${r2}`);
    assertEnd(reports.addKey, 0, /reload settings/);
    assert.equal(valueOf(reports.addKey, settings, "RouterKeys"), `MultiString ${r2} | ${r3}`);
    for (const report of [reports.keys, reports.addKey]) {
      assert.doesNotMatch(textOf(report), /st(op|art) service/);
    }
    assert.equal(calls.filter(([verb]) => verb === "control").length, 5);
  });

  await t.step("settings are written with their kinds, and a password is never shown", () => {
    assertEnd(reports.options, 0, /^Password = \(set\)$|Password = \(set\)/m);
    const written = {
      Port: "DWord 27999",
      Listen: "MultiString 0.0.0.0 | ::",
      Password: `String ${password}`,
      HoldDownSeconds: "DWord 7",
      ClockToleranceSeconds: "DWord 90",
      AllowedSources: "MultiString 192.0.2.0/24 | 2001:db8::/32",
      FlushOnStart: "DWord 0",
      FlushOnNetworkChange: "DWord 0",
      RefreshAddresses: "MultiString gateway",
      RefreshSeconds: "DWord 45",
      MetricsFile: `String ${options.MetricsFile}`,
      LogLevel: "String debug",
    };
    for (const [name, value] of Object.entries(written)) {
      assert.equal(valueOf(reports.options, settings, name), value);
    }
    assert.match(
      ruleOf(reports.options),
      /LocalPort=27999 .*RemoteAddress=192\.0\.2\.0\/255\.255\.255\.0,2001:db8::\/32/,
    );
    assertEnd(reports.optionsAgain, 0, /^Nothing had to be changed$/);
    assertUnchanged(reports.optionsAgain);
    for (const report of all) assert.doesNotMatch(textOf(report), /S3cret/);
    assert.doesNotMatch(JSON.stringify(calls), /S3cret/);
  });

  await t.step("a setting that the service refuses is undone", () => {
    assertEnd(reports.badSetting, 1, /HoldDownSeconds: 5000 is not a whole number/);
    assertUnchanged(reports.badSetting);
  });

  await t.step(
    "upgrade keeps settings and keys; one that doesn't start puts the old one back",
    () => {
      for (const report of [reports.whatIf, reports.whatIfGone, reports.spoiled]) {
        assertUnchanged(report);
      }
      assertEnd(reports.whatIf, 0);
      assertEnd(reports.whatIfGone, 0);
      assertEnd(reports.spoiled, 1, /the copy of .*arpflush-service\.exe is not what was checked/);
      assertEnd(reports.upgrade, 0, /^version +0\.2\.0$/m);
      for (const { faults: [{ met, count }] } of [reports.upgrade, reports.uninstall]) {
        assert.ok(count > 3);
        assert.equal(met, "", "its process is waited for");
      }
      assert.equal(valueOf(reports.upgrade, settings, "Port"), "DWord 27999");
      assertEnd(reports.broken, 1, /^Failed: Cannot start service/m);
      assertUnchanged(reports.broken);
      assert.ok(reports.broken.after.includes("service Running"));
    },
  );

  await t.step("uninstall keeps settings and keys, -Purge leaves nothing", () => {
    assertEnd(reports.uninstall, 0, /are kept/);
    assert.equal(valueOf(reports.uninstall, settings, "RouterKeys"), `MultiString ${r2} | ${r3}`);
    assert.ok(reports.uninstall.after.includes("service absent"));
    assertEnd(reports.uninstallAgain, 0);
    assertUnchanged(reports.uninstallAgain);
    assertEnd(reports.back, 0, /^version +0\.1\.0$/m);
    assertEnd(reports.keyless, 0);
    assert.equal(valueOf(reports.keyless, settings, "RouterKeys"), "MultiString ");
    assertEnd(reports.purge, 0);
    assert.deepEqual(reports.purge.after, reports.absent.before);
  });
});

Deno.test("install.ps1 leaves alone what an administrator has changed", async () => {
  const narrowed = "Set-NetFirewallRule ArpFlush -RemoteAddress 192.0.2.1";
  const { reports, calls } = await live({
    install: { parameters: install({ RouterKeys: [r1] }) },
    upgrade: {
      // PowerShell is sure to wait for a program whose output it reads.
      parameters: upgrade({ Port: 27800 }),
      from: "second",
      before: `${narrowed}; Set-Service ArpFlush -StartupType Manual -Description 'by hand'
        sc.exe failure ArpFlush reset= 60 actions= restart/1000 | Out-Host`,
    },
    sources: { parameters: install({ AllowedSources: "198.51.100.0/24" }) },
    ruleless: { parameters: upgrade(), before: "Remove-NetFirewallRule ArpFlush" },
    disabled: {
      parameters: upgrade({ HoldDownSeconds: 3 }),
      from: "second",
      before: "Stop-Service ArpFlush; Set-Service ArpFlush -StartupType Disabled",
    },
    otherProgram: {
      parameters: install(),
      before: String
        .raw`Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\ArpFlush ImagePath 'C:\other.exe'`,
    },
    uninstall: { parameters: { Action: "uninstall", Purge: true } },
    policy: { parameters: install({ RouterKeys: [r1], NoFirewallRule: true }) },
    fromInstalled: {
      parameters: upgrade({ AddRouterKey: r2, Source: String.raw`C:\Program Files\ArpFlush` }),
    },
  });
  assertEnd(reports.upgrade, 3, /^problems +the service doesn't start by itself$/m);
  assert.equal(valueOf(reports.upgrade, service, "Start"), "DWord 3");
  assert.equal(valueOf(reports.upgrade, service, "Description"), "String by hand");
  const recovery = reports.upgrade.before.find((line) => line.includes(" FailureActions "));
  assert.ok(recovery !== undefined && reports.upgrade.after.includes(recovery));
  assert.match(ruleOf(reports.upgrade), /LocalPort=27800 .*RemoteAddress=192\.0\.2\.1( |$)/);
  assert.match(ruleOf(reports.sources), /RemoteAddress=198\.51\.100\.0\/255\.255\.255\.0( |$)/);
  assertEnd(reports.ruleless, 0, /^Nothing had to be changed$/);
  assertEnd(reports.disabled, 3, /the service is stopped/);
  assert.equal(valueOf(reports.disabled, service, "Start"), "DWord 4");
  assertEnd(reports.otherProgram, 2, /is registered with another program, C:\\other\.exe$/);
  assertEnd(reports.policy, 3, /no enabled firewall rule/);
  assert.equal(ruleOf(reports.policy), "");
  assertEnd(reports.fromInstalled, 3, /reload settings/);
  const registrations = calls.filter(([verb]) => !["query", "delete", "control"].includes(verb));
  assert.equal(registrations.length, 2 * 6 + 1, "twice, and never changed but by hand");
});

Deno.test("install.ps1 takes no folder that somebody else has made", async () => {
  await using installer = await openInstaller("stand-ins");
  // Wine takes every other user of Unix for one that Windows doesn't know.
  await sh(
    installer.session,
    `mkdir "$1" && chown 1000 "$1"`,
    "/prefix/drive_c/Program Files/ArpFlush",
  );
  const [report] = await installer.run({ parameters: install({ RouterKeys: [r1] }) });
  assertEnd(report, 1, /ArpFlush belongs to S-1-[-\d]+, not to Administrators$/m);
  assertUnchanged(report);
});

Deno.test("install.ps1 takes over a service that was registered by hand, as docs/windows.md has it", async () => {
  const page = await Deno.readTextFile(`${checkoutPath}/docs/windows.md`);
  const [byHand] = page.match(/(?<=```powershell\n)\$folder = .*?(?=```)/s) ?? [""];
  const { reports } = await live({
    byHand: {
      before: `Set-Location ${folderPath("second")}\n${byHand.replace("arpflush-public-...", r1)}`,
    },
    install: { parameters: install(), from: "second" },
  });
  assert.ok(reports.byHand.before.includes("service Running"));
  const registered = (report: Report) =>
    [
      "ImagePath",
      "Start",
      "FailureActions",
      "FailureActionsOnNonCrashFailures",
      "RequiredPrivileges",
    ]
      .map((name) => valueOf(report, service, name));
  assert.equal(registered(reports.byHand)[0], `String ${serviceExe}`);
  assert.deepEqual(registered(reports.install), registered(reports.byHand));
  assertEnd(reports.install, 0, /^health +healthy$/m);
});
