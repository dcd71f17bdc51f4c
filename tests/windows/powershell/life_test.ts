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
const eventSource = String
  .raw`HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\EventLog\Application\ArpFlush`;
const serviceExe = String.raw`"C:\Program Files\ArpFlush\arpflush-service.exe"`;

const installer = await openInstaller("stand-ins");
Deno.test.afterAll(async () => await installer[Symbol.asyncDispose]());

/** A run, and what is expected of it. */
interface Step extends Run {
  readonly ends: number;
  readonly says?: RegExp;
  /** Whether the machine is then as it was before. */
  readonly changes?: false;
}

/** A registry value behind its name, with its kind. */
function valueOf({ after }: Report, key: string, name: string): string | undefined {
  const start = `value ${key} ${name} `;
  return after.find((line) => line.startsWith(start))?.slice(start.length);
}

function ruleOf({ after }: Report): string {
  return after.filter((line) => line.startsWith("rule ")).join("\n");
}

type Parameters = Record<string, unknown>;
const install = (more: Parameters = {}) => ({ Action: "install", ...more });
const upgrade = (more: Parameters = {}) => ({ Action: "upgrade", ...more });
const uninstall = (more: Parameters = {}) => ({ Action: "uninstall", ...more });

/** A step that may change the machine. */
function step(parameters: Parameters, ends: number, says?: RegExp, more?: Partial<Step>): Step {
  return { parameters, ends, says, ...more };
}

/** A step that changes nothing. */
function idle(parameters: Parameters, ends: number, says?: RegExp, more?: Partial<Step>): Step {
  return { parameters, ends, says, changes: false, ...more };
}

/** Takes steps by name, in this order on a fresh machine, and holds them to what is expected. */
async function live<Name extends string>(
  steps: Readonly<Record<Name, Step>>,
): Promise<{ reports: Readonly<Record<Name, Report>>; calls: string[][] }> {
  await installer.calls();
  const entries = Object.entries<Step>(steps);
  const list = await installer.run(
    ...entries.map(([, step], i): Run => i === 0 ? { fresh: true, ...step } : step),
  );
  const reports: Partial<Record<string, Report>> = {};
  for (const [i, [name, { ends, says, changes }]] of entries.entries()) {
    const [report, text] = [list[i], `${name}:\n${textOf(list[i])}`];
    reports[name] = report;
    assert.equal(report.exitCode, ends, text);
    if (says !== undefined) assert.match(text, says);
    if (changes === false) assert.deepEqual(report.after, report.before, text);
    assert.doesNotMatch(textOf(report), /SSSS|HHHH|short|S3cret/, "it may be a secret");
  }
  return { reports: reports as Record<Name, Report>, calls: await installer.calls() };
}

Deno.test("install.ps1 changes nothing when it is asked to do nothing, or can't", async () => {
  const notPublic =
    /^Failed: Cannot take a key: hosts need the public one.* is the secret key, make/m;
  const noKey = /Cannot install without -RouterKeys/;
  const tampered = { RouterKeys: [r1], Source: folderPath("tampered") };
  const noSum = /its SHA-256 is not the one in SHA256SUMS$/m;
  const steps = /"register service".*\n.*"start service".*\n.*"make firewall rule".*Port 27735/;
  await live({
    absent: idle({}, 4, /^ArpFlush is not installed$/m),
    upgrade: idle(upgrade(), 4, /use install$/m),
    whatIf: idle(install({ RouterKeys: [r1], WhatIf: true }), 0, steps),
    withoutKeys: idle(install(), 2, noKey),
    blankKeys: idle(install({ RouterKeys: ["", " \n,\r\n"] }), 2, noKey),
    tampered: idle(install(tampered), 2, noSum),
    tamperedWhatIf: idle(install({ ...tampered, WhatIf: true }), 2, noSum),
    noSource: idle({}, 2, /give -Source$/m, { positions: ["install", "", r1] }),
    secretSource: idle({}, 2, /Cannot find .*secret key/, {
      positions: ["install", secretKey, r1],
    }),
    secret: idle(install({ RouterKeys: [r1, secretKey] }), 2, notPublic),
    secretAdded: idle(install({ AddRouterKey: secretKey }), 2, notPublic),
    hostKey: idle(install({ RouterKeys: [hostKey] }), 2, notPublic),
    shortKey: idle(install({ RouterKeys: ["arpflush-public-short"] }), 2, notPublic),
    unsetVariable: idle(
      install({ RouterKeys: [r1], Listen: null }),
      2,
      /set Listen: nothing is given$/m,
    ),
    uninstall: idle(uninstall(), 0, /^Nothing had to be removed$/m),
    constrained: idle({}, 2, /^Cannot run here: a policy/m, { constrained: true }),
    unelevated: idle({}, 2, /run PowerShell as administrator$/m, { unelevated: true }),
  });
});

const metricsFile = String.raw`C:\Program Files\ArpFlush\metrics\arpflush.prom`;
/** Each setting as it is given, and as the registry then has it. */
const settingRows: Readonly<Record<string, readonly [given: unknown, stored: string]>> = {
  Port: [27999, "DWord 27999"],
  Listen: ["0.0.0.0,::", "MultiString 0.0.0.0 | ::"],
  Password: [{ secret: password }, `String ${password}`],
  HoldDownSeconds: [7, "DWord 7"],
  ClockToleranceSeconds: [90, "DWord 90"],
  // As powershell -File passes a list.
  AllowedSources: ["192.0.2.0/24, 2001:db8::/32", "MultiString 192.0.2.0/24 | 2001:db8::/32"],
  FlushOnStart: ["false", "DWord 0"],
  FlushOnNetworkChange: ["false", "DWord 0"],
  RefreshAddresses: [["gateway"], "MultiString gateway"],
  RefreshSeconds: [45, "DWord 45"],
  MetricsFile: [metricsFile, `String ${metricsFile}`],
  LogLevel: ["debug", "String debug"],
};
const options = Object.fromEntries(
  Object.entries(settingRows).map(([name, [given]]) => [name, given]),
);

Deno.test("install.ps1 installs, upgrades and uninstalls", async (t) => {
  const programs = ["arpflush-service.exe", "arpflush.exe"].map((name) =>
    `'${folderPath("first").replaceAll("'", "''")}\\${name}'`
  );
  // Nobody else can read them.
  const hold = `$global:Held = @(${
    programs.map((path) => `[IO.File]::Open(${path}, 'Open', 'Read', 'None')`).join("; ")
  })`;
  const release = "$global:Held | ForEach-Object { $_.Dispose() }";
  const linger = String.raw`$null = New-Item HKLM:\SOFTWARE\Double
    Set-ItemProperty HKLM:\SOFTWARE\Double Linger 2000`;
  const oneText = String.raw`Set-ItemProperty HKLM:\SOFTWARE\NPSL\ArpFlush RouterKeys` +
    ` '${r1}, ${r2},${r3}' -Type String`;
  const nothing = /^Nothing had to be changed$/m;
  const twoKeys = new RegExp(`^routerKeys +${r1}\n +${r2}$`, "m");
  const steps = new RegExp(
    ["copy programs", "stop service", "replace programs", "write registry.*Port", "start service"]
      .map((name) => `"${name}.*\n.*`).join("") + '"change firewall rule".*LocalPort 30000',
  );
  const spoiled =
    /the copy of .*arpflush-service\.exe is not what was checked\n.*last event: The RPC/;
  const watch = { faults: [{ kind: "watch" }] } as const;
  const second = { from: "second" } as const;
  const { reports, calls } = await live({
    absent: step({}, 4),
    install: step(
      install({ RouterKeys: [` ${r1},${r2}`, "", `${r1}\n`], Verbose: true }),
      0,
      /^health +healthy$/m,
    ),
    again: idle(install({ RouterKeys: [r1, r2] }), 0, nothing, { before: hold }),
    table: idle({}, 0, twoKeys, { before: release }),
    json: idle({ Json: true }, 0),
    remote: idle({}, 0, twoKeys, { positions: ["status"] }),
    keys: step(upgrade({ AddRouterKey: [r3], RemoveRouterKey: `${r1},${r3}` }), 0),
    addKey: step(upgrade({ AddRouterKey: [r3] }), 0, /reload settings/),
    // As a policy may set it.
    oneText: step(upgrade({ RemoveRouterKey: r1 }), 0, /reload settings/, { before: oneText }),
    options: step(install({ Verbose: true, ...options }), 0, /Password = \(set\)$/m),
    optionsAgain: idle(install(options), 0, nothing),
    whatIf: idle(upgrade({ Port: 30_000, WhatIf: true }), 0, steps, second),
    whatIfGone: idle(uninstall({ Purge: true, WhatIf: true }), 0, /"delete service"/),
    spoiled: idle(upgrade(), 1, spoiled, {
      ...second,
      faults: [{ kind: "spoil" }],
      events: "stopped",
    }),
    upgrade: step(upgrade(), 0, /^version +0\.2\.0$/m, { ...second, ...watch, before: linger }),
    uninstall: step(uninstall(), 0, /are kept/, {
      ...watch,
      before: String.raw`Set-Location 'C:\Program Files\ArpFlush'`,
    }),
    uninstallAgain: idle(uninstall(), 0, /^Nothing had to be removed$/m, {
      before: String.raw`Remove-Item HKLM:\SOFTWARE\Double`,
    }),
    back: step({}, 0, /^version +0\.1\.0$/m, { positions: ["install", folderPath("first")] }),
    keyless: step(upgrade({ RemoveRouterKey: [r2, r3] }), 0),
    purge: step(uninstall({ Purge: true }), 0),
  });
  const keysOf = (report: Report) => valueOf(report, settings, "RouterKeys");

  await t.step("keys, access, rule and service are as they should be", () => {
    assert.ok(reports.install.after.includes("service Running"));
    assert.ok(
      reports.install.after.some((line) =>
        /^access .*D:.*\(A;CI;KA;;;SY\)\(A;CI;KA;;;BA\)$/.test(line)
      ),
    );
    assert.match(
      ruleOf(reports.install),
      /LocalPort=27735 .*Profile=Any .*RemoteAddress=LocalSubnet/,
    );
    for (const { after } of Object.values(reports)) {
      assert.ok(after.some((line) => line.endsWith("data False")), "nothing is in ProgramData");
    }
    for (const { faults: [{ met, count }] } of [reports.upgrade, reports.uninstall]) {
      assert.ok(count > 3);
      assert.equal(met, "", "its process is waited for");
    }
    assert.equal(valueOf(reports.upgrade, settings, "Port"), "DWord 27999");
    assert.ok(reports.uninstall.after.includes("service absent"));
    assert.deepEqual(reports.purge.after, reports.absent.before, "-Purge leaves nothing");
  });

  await t.step("sc.exe is told this, as Windows takes its command line apart", () => {
    const told = calls.slice(0, calls.findIndex(([verb]) => verb === "control"));
    const description =
      "Flushes the neighbor (ARP) cache when a router asks for it after a failover.";
    const create = ["ArpFlush", "start=", "delayed-auto", "binPath=", serviceExe, "depend="];
    const failure = ["reset=", "86400", "actions=", "restart/5000/restart/5000/restart/60000"];
    assert.deepEqual(told, [
      ["create", ...create, "Nsi/Tcpip"],
      ["description", "ArpFlush", description],
      ["failure", "ArpFlush", ...failure],
      ["failureflag", "ArpFlush", "1"],
      ["sidtype", "ArpFlush", "unrestricted"],
      ["privs", "ArpFlush", "SeChangeNotifyPrivilege"],
    ]);
    assert.doesNotMatch(JSON.stringify(calls), /S3cret/);
  });

  await t.step("status tells people and machines the same", async () => {
    await assertMatches("install-status", textOf(reports.json));
    const { problems, notShown: _, hostKey: __, ...status } = JSON.parse(textOf(reports.json));
    assert.deepEqual(problems, []);
    assert.deepEqual(status, {
      health: "healthy",
      version: "0.1.0",
      state: "running",
      account: "LocalSystem",
      startType: "delayed-auto",
      port: 27735,
      listening: true,
      routerKeys: [r1, r2],
      settings: [],
      events: [],
    });
  });

  await t.step("keys go in and out without a restart", () => {
    assert.equal(keysOf(reports.install), `MultiString ${r1} | ${r2}`, "each once");
    assert.equal(keysOf(reports.keys), `MultiString ${r2}`);
    assert.equal(keysOf(reports.addKey), `MultiString ${r2} | ${r3}`);
    assert.equal(keysOf(reports.oneText), `MultiString ${r2} | ${r3}`);
    for (const report of [reports.keys, reports.addKey, reports.oneText]) {
      assert.doesNotMatch(textOf(report), /st(op|art) service/);
    }
    assert.equal(keysOf(reports.uninstall), `MultiString ${r2} | ${r3}`);
    assert.equal(keysOf(reports.keyless), "MultiString ");
  });

  await t.step("settings are written with their kinds, and the rule follows", () => {
    for (const [name, [, stored]] of Object.entries(settingRows)) {
      assert.equal(valueOf(reports.options, settings, name), stored);
    }
    assert.match(
      ruleOf(reports.options),
      /LocalPort=27999 .*RemoteAddress=192\.0\.2\.0\/255\.255\.255\.0,2001:db8::\/32/,
    );
  });
});

Deno.test("install.ps1 leaves alone what an administrator has changed", async () => {
  const narrowed = "Set-NetFirewallRule ArpFlush -RemoteAddress 192.0.2.1";
  const { reports, calls } = await live({
    install: step(install({ RouterKeys: [r1] }), 0),
    upgrade: step(
      upgrade({ Port: 27800 }),
      3,
      /^problems +the service doesn't start by itself$/m,
      // PowerShell is sure to wait for a program whose output it reads.
      {
        from: "second",
        before: `${narrowed}; Set-Service ArpFlush -StartupType Manual -Description 'by hand'
          sc.exe failure ArpFlush reset= 60 actions= restart/1000 | Out-Host`,
      },
    ),
    sources: step(install({ AllowedSources: "198.51.100.0/24" }), 3),
    anySource: step(install({ AllowedSources: "0.0.0.0/0" }), 3),
    ruleless: step(upgrade(), 0, /^Nothing had to be changed$/m, {
      before: "Remove-NetFirewallRule ArpFlush",
    }),
    disabled: step(upgrade({ HoldDownSeconds: 3 }), 3, /the service is stopped/, {
      from: "second",
      before: "Stop-Service ArpFlush; Set-Service ArpFlush -StartupType Disabled",
    }),
    uninstall: step(uninstall({ Purge: true }), 0),
    policy: step(
      install({ RouterKeys: [r1], NoFirewallRule: true }),
      3,
      /no enabled firewall rule/,
    ),
    fromInstalled: step(
      upgrade({ AddRouterKey: r2, Source: String.raw`C:\Program Files\ArpFlush` }),
      3,
      /reload settings/,
    ),
  });
  assert.equal(valueOf(reports.upgrade, service, "Start"), "DWord 3");
  assert.equal(valueOf(reports.upgrade, service, "Description"), "String by hand");
  const recovery = reports.upgrade.before.find((line) => line.includes(" FailureActions "));
  assert.ok(recovery !== undefined && reports.upgrade.after.includes(recovery));
  assert.match(ruleOf(reports.upgrade), /LocalPort=27800 .*RemoteAddress=192\.0\.2\.1( |$)/);
  assert.match(ruleOf(reports.sources), /RemoteAddress=198\.51\.100\.0\/255\.255\.255\.0( |$)/);
  assert.match(ruleOf(reports.anySource), /RemoteAddress=Any( |$)/);
  assert.equal(valueOf(reports.disabled, service, "Start"), "DWord 4");
  assert.equal(ruleOf(reports.policy), "");
  const registrations = calls.filter(([verb]) => !["query", "delete", "control"].includes(verb));
  assert.equal(registrations.length, 2 * 6 + 1, "twice, and never changed but by hand");
});

Deno.test("install.ps1 takes no folder that somebody else has made, or that leads elsewhere", async () => {
  await installer.run({ fresh: true });
  const folder = "/prefix/drive_c/Program Files/ArpFlush";
  const first = install({ RouterKeys: [r1] });
  // Wine takes every other user of Unix for one that Windows doesn't know, and a link for a reparse point.
  const link = 'mv "$1" "$1 2" && ln -s "ArpFlush 2" "$1"';
  const isLink = /a link to another folder$/m;
  const isForeign = /belongs to S-1-[-\d]+, not to Administrators$/m;
  const places: readonly [script: string, parameters: Parameters, ends: number, says?: RegExp][] = [
    ['mkdir "$1" && chown 1000 "$1"', first, 1, isForeign],
    [link, first, 1, isLink],
    ['rm "$1"; rm -r "$1 2"', first, 0],
    ['chown 1000 "$1"', uninstall(), 1, isForeign],
    [`chown 0 "$1"; ${link}`, uninstall(), 1, isLink],
  ];
  for (const [script, parameters, ends, says = /./] of places) {
    await sh(installer.session, script, folder);
    const [report] = await installer.run({ parameters });
    assert.equal(report.exitCode, ends, textOf(report));
    assert.match(textOf(report), says);
    if (ends > 0) assert.deepEqual(report.after, report.before, textOf(report));
  }
  await sh(installer.session, 'rm "$1" && mv "$1 2" "$1"', folder);
});

Deno.test("install.ps1 leaves alone another product's service of that name", async () => {
  const other = /the service (ArpFlush )?runs another program, .*other\.exe/;
  const image = (path: string, kind: string) => ({
    before: String.raw`Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\ArpFlush` +
      ` ImagePath '${path}' -Type ${kind}`,
  });
  const quoted = image(String.raw`"C:\Program Files (x86)\NPSL\other.exe" -service`, "String");
  const ours = String.raw`"%ProgramFiles%\ArpFlush\arpflush-service.exe" --config C:\x.toml`;
  await live({
    install: step(install({ RouterKeys: [r1] }), 0),
    again: idle(install(), 2, other, image(String.raw`C:\other.exe`, "String")),
    upgrade: idle(upgrade(), 2, other, quoted),
    uninstall: idle(uninstall({ Purge: true }), 2, other),
    status: idle({}, 3, other),
    ours: idle(install(), 0, /^Nothing had to be changed$/m, image(ours, "ExpandString")),
  });
});

Deno.test("install.ps1 installs over what a service of 2009 has left in the registry", async () => {
  const left = String.raw`$null = New-Item HKLM:\SOFTWARE\NPSL\ArpFlush -Force
    Set-ItemProperty HKLM:\SOFTWARE\NPSL\ArpFlush Password '${password}'
    Set-ItemProperty HKLM:\SOFTWARE\NPSL\ArpFlush Port 27735
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\ArpFlush'
    $null = New-Item $key -Force
    Set-ItemProperty $key TypesSupported 7 -Type DWord
    Set-ItemProperty $key EventMessageFile 'C:\gone.exe'`;
  const { reports } = await live({
    broken: step(install({ RouterKeys: [r1] }), 1, undefined, { before: left, from: "broken" }),
    install: step(install({ RouterKeys: [r1], Port: 27735 }), 0),
  });
  const { broken, install: installed } = reports;
  const values = ({ before, after }: Report) =>
    [before, after].map((facts) => facts.filter((fact) => !fact.startsWith("access ")));
  const [before, after] = values(broken);
  assert.deepEqual(after, before, "all is put back, but that nobody else may read the password");
  assert.match(
    installed.after.find((fact) => fact.startsWith("access ")) ?? "",
    /^access O:BA.*\(A;CI;KA;;;SY\)\(A;CI;KA;;;BA\)$/,
  );
  assert.equal(valueOf(installed, settings, "Port"), "DWord 27735");
  assert.equal(valueOf(installed, settings, "Password"), `String ${password}`);
  assert.match(valueOf(installed, eventSource, "EventMessageFile") ?? "", /EventCreate\.exe$/);
});

Deno.test("install.ps1 takes over a service that was registered by hand, as docs/windows.md has it", async () => {
  const page = await Deno.readTextFile(`${checkoutPath}/docs/windows.md`);
  const [byHand] = page.match(/(?<=```powershell\n)\$folder = .*?(?=```)/s) ?? [""];
  const { reports } = await live({
    byHand: step({}, 0, undefined, {
      before: `Set-Location ${folderPath("second")}\n${byHand.replace("arpflush-public-...", r1)}`,
    }),
    install: step(install({ Password: { secret: password } }), 0, /^health +healthy$/m, {
      from: "second",
    }),
  });
  assert.ok(reports.byHand.before.includes("service Running"));
  const names =
    "ImagePath Start FailureActions FailureActionsOnNonCrashFailures RequiredPrivileges";
  const registered = (report: Report) =>
    names.split(" ").map((name) => valueOf(report, service, name));
  assert.equal(registered(reports.byHand)[0], `String ${serviceExe}`);
  assert.deepEqual(registered(reports.install), registered(reports.byHand));
  assert.ok(reports.install.after.some((fact) => /^access .*D:P?(AI)?\(A;CI;KA;;;SY\)/.test(fact)));
});
