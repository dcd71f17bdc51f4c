/** The life of an installation, with stand-ins for the programs (programs/). */
import assert from "node:assert/strict";
import { linesOf, missingForInstaller, openInstaller, type Report } from "./installer.ts";

const missing = await missingForInstaller();
if (missing !== null) console.log(`Skipped, this machine lacks ${missing}`);

const password = "S3cret Pässword";
const settingsKey = String.raw`SOFTWARE\NPSL\ArpFlush`;
/** Made for this test. */
const routersKey = `${"A".repeat(42)}E=`;
const firewallRules = String.raw`HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess` +
  String.raw`\Parameters\FirewallPolicy\FirewallRules`;
const unixKey = "/prefix/drive_c/ProgramData/ArpFlush/key";

function text({ lines }: Report): string {
  return lines.map((line) => line.text).join("\n");
}

function assertEnd(report: Report, exitCode: number): void {
  assert.equal(report.exitCode, exitCode, text(report));
}

function assertUnchanged(report: Report): void {
  assert.deepEqual(report.after, report.before);
}

/** A setting as the registry has it: kind and value. */
function setting({ after }: Report, name: string): string | undefined {
  const start = `value ${settingsKey} ${name} `;
  return after.find((line) => line.startsWith(start))?.slice(start.length);
}

function keyFact({ after }: Report): string | undefined {
  return after.find((line) => line.includes(String.raw`ProgramData\ArpFlush\key `));
}

function isRunning({ after }: Report): boolean {
  return after.includes("service 4");
}

Deno.test("install.ps1 lives through install, upgrade and uninstall", {
  ignore: missing !== null,
}, async (t) => {
  await using installer = await openInstaller();
  const { session } = installer;
  await session.unix([
    "sh",
    "-c",
    `printf '# the key\\n%s\\n' "$1" >"$2"`,
    "sh",
    routersKey,
    "/tmp/kéy [1]",
  ]);
  await session.unix(["sh", "-c", "echo nonsense >/tmp/broken.key"]);
  await session.unix([
    "sh",
    "-c",
    "cp -r /tmp/second /tmp/tampered; echo >>/tmp/tampered/arpflush.exe",
  ]);
  const options = {
    Port: 27999,
    Password: { secret: password },
    HoldDownSeconds: 7,
    ClockToleranceSeconds: 90,
    // As powershell -File passes a list.
    AllowedSources: "192.0.2.0/24, 2001:db8::/32",
    FlushOnStart: "false",
    RefreshAddresses: ["gateway"],
    RefreshSeconds: 45,
    MetricsFile: "C:/ProgramData/ArpFlush/metrics/arpflush.prom",
    LogLevel: "debug",
  };
  const run = Object.entries({
    absent: {},
    upgradeOfNothing: { parameters: { Action: "upgrade" } },
    whatIf: { parameters: { Action: "install", WhatIf: true } },
    declined: { parameters: { Action: "install", Confirm: true }, answers: ["No to All"] },
    conflict: { parameters: { Action: "install", KeyFile: "Z:\\tmp\\x", GenerateKey: true } },
    badKey: { parameters: { Action: "install", KeyFile: "Z:\\tmp\\broken.key" } },
    tampered: { parameters: { Action: "install", Source: "Z:\\tmp\\tampered" } },
    noSource: { positions: ["install"] },
    install: { parameters: { Action: "install" } },
    again: { parameters: { Action: "install" } },
    table: {},
    json: { parameters: { Json: true } },
    remote: { positions: ["status"] },
    options: { parameters: { Action: "install", Verbose: true, ...options } },
    optionsAgain: { parameters: { Action: "install", ...options } },
    optionsTable: {},
    badSetting: { parameters: { Action: "install", HoldDownSeconds: 5000 } },
    upgrade: { parameters: { Action: "upgrade" }, from: "second" as const },
    broken: { parameters: { Action: "upgrade" }, from: "broken" as const },
    takeKey: {
      parameters: { Action: "install", KeyFile: "Z:\\tmp\\kéy [1]" },
      from: "second" as const,
    },
    takeKeyAgain: {
      parameters: { Action: "install", KeyFile: "Z:\\tmp\\kéy [1]" },
      from: "second" as const,
    },
    newKey: { parameters: { Action: "install", GenerateKey: true }, from: "second" as const },
    uninstall: { parameters: { Action: "uninstall" } },
    uninstallAgain: { parameters: { Action: "uninstall" } },
    back: { positions: ["install", installer.folders.first] },
    purge: { parameters: { Action: "uninstall", Purge: true } },
  });
  const list = await installer.run(...run.map(([, one]) => one));
  const reports = Object.fromEntries(run.map(([name], i) => [name, list[i]]));
  const calls = await installer.calls();

  await t.step("status, upgrade and refused runs change nothing", () => {
    const expected = { absent: 4, upgradeOfNothing: 4, whatIf: 0, declined: 0 };
    for (const [name, exitCode] of Object.entries(expected)) {
      assertEnd(reports[name], exitCode);
      assertUnchanged(reports[name]);
    }
    for (const name of ["conflict", "badKey", "tampered", "noSource"]) {
      assertEnd(reports[name], 2);
      assertUnchanged(reports[name]);
      assert.equal(linesOf(reports[name], "error").length, 1, text(reports[name]));
    }
    assert.match(text(reports.badKey), /line 1 is not a key/);
    assert.ok(!text(reports.badKey).includes("nonsense"));
    assert.match(text(reports.tampered), /SHA-256/);
    assert.equal(linesOf(reports.whatIf, "host").length, 8);
    assert.match(text(reports.declined), /Left out: Copy programs, Write settings/);
  });

  await t.step("install ends healthy, and a second time changes nothing", () => {
    assertEnd(reports.install, 0);
    assert.ok(isRunning(reports.install));
    assert.match(text(reports.install), /A new key is in/);
    assert.match(text(reports.install), /Health +healthy/);
    assertEnd(reports.again, 0);
    assertUnchanged(reports.again);
    assert.match(text(reports.again), /Nothing had to be changed/);
  });

  await t.step("status tells people and machines the same", () => {
    const json = JSON.parse(linesOf(reports.json, "output").join("\n"));
    assert.equal(json.health, "healthy");
    assert.deepEqual(json.problems, []);
    assert.equal(json.version, "0.1.0");
    assert.equal(json.port, 27735);
    assert.equal(json.portBound, true);
    assert.equal(json.firewallRule, true);
    assert.equal(json.account, "LocalSystem");
    assert.equal(json.probe.answered, true);
    assert.match(json.keyIds[0], /^[0-9a-f]{8}$/);
    for (const report of [reports.table, reports.remote]) {
      assertEnd(report, 0);
      assertUnchanged(report);
      assert.match(text(report), new RegExp(`Key ids +${json.keyIds[0]} in `));
    }
  });

  await t.step("settings are written with their kinds, and a password is never shown", () => {
    assertEnd(reports.options, 0);
    const written = {
      Port: "DWord 27999",
      Password: `String ${password}`,
      HoldDownSeconds: "DWord 7",
      ClockToleranceSeconds: "DWord 90",
      AllowedSources: "MultiString 192.0.2.0/24 | 2001:db8::/32",
      FlushOnStart: "DWord 0",
      RefreshAddresses: "MultiString gateway",
      RefreshSeconds: "DWord 45",
      MetricsFile: "String C:/ProgramData/ArpFlush/metrics/arpflush.prom",
      LogLevel: "String debug",
    };
    for (const [name, value] of Object.entries(written)) {
      assert.equal(setting(reports.options, name), value);
    }
    const folder = String.raw`folder C:\ProgramData\ArpFlush\metrics`;
    assert.ok(reports.options.after.includes(folder));
    const access = reports.options.after.find((line) => line.startsWith(`key ${settingsKey} `));
    assert.equal(access?.split(" ")[2], "D:(A;CI;KA;;;SY)(A;CI;KA;;;BA)");
    assertEnd(reports.optionsAgain, 0);
    assertUnchanged(reports.optionsAgain);
    assert.match(text(reports.optionsTable), /Password = \(set\)/);
    for (const report of list) assert.ok(!text(report).includes("S3cret"));
    assert.ok(!calls.some((call) => call.includes("S3cret")));
  });

  await t.step("a setting that the service refuses is undone", () => {
    assertEnd(reports.badSetting, 1);
    assertUnchanged(reports.badSetting);
    assert.match(text(reports.badSetting), /HoldDownSeconds: 5000 is not a whole number/);
  });

  await t.step("upgrade keeps settings and key", () => {
    assertEnd(reports.upgrade, 0);
    assert.match(text(reports.upgrade), /Version +0\.2\.0/);
    assert.equal(setting(reports.upgrade, "Port"), "DWord 27999");
    assert.equal(keyFact(reports.upgrade), keyFact(reports.install));
  });

  await t.step("upgrade to a program that ends at once puts the old one back", () => {
    assertEnd(reports.broken, 1);
    assertUnchanged(reports.broken);
    assert.ok(isRunning(reports.broken));
  });

  await t.step("a key is taken, and made anew, without being shown", () => {
    assertEnd(reports.takeKey, 0);
    assertEnd(reports.takeKeyAgain, 0);
    assertUnchanged(reports.takeKeyAgain);
    assert.match(text(reports.takeKeyAgain), /Nothing had to be changed/);
    assertEnd(reports.newKey, 0);
    const keys = [reports.upgrade, reports.takeKey, reports.newKey].map(keyFact);
    assert.equal(new Set(keys).size, 3);
    for (const report of list) assert.ok(!text(report).includes(routersKey));
    assert.ok(!calls.some((call) => call.includes(routersKey)));
  });

  await t.step("uninstall keeps settings and key, -Purge leaves nothing", () => {
    assertEnd(reports.uninstall, 0);
    assert.equal(keyFact(reports.uninstall), keyFact(reports.newKey));
    assert.equal(setting(reports.uninstall, "Port"), "DWord 27999");
    assert.ok(reports.uninstall.after.includes("service absent"));
    assertEnd(reports.uninstallAgain, 0);
    assertUnchanged(reports.uninstallAgain);
    assertEnd(reports.back, 0);
    assert.equal(keyFact(reports.back), keyFact(reports.newKey));
    assertEnd(reports.purge, 0);
    assert.deepEqual(reports.purge.after, reports.absent.before);
  });

  await t.step("status says what is wrong, with exit code 3", async () => {
    await installer.run({ parameters: { Action: "install" } });
    assert.equal((await session.unix(["stat", "-c", "%a", unixKey])).stdout.trim(), "600");
    await session.wine(["net", "stop", "ArpFlush"]);
    await session.wine(["reg", "delete", firewallRules, "/f"]);
    const [stopped, held] = await installer.run(
      { environment: { ARPFLUSH_EVENTS: "Z:\\checkout\\tests\\windows\\powershell\\events.xml" } },
      { parameters: { Action: "uninstall" }, environment: { ARPFLUSH_HELD: "1" } },
    );
    assertEnd(stopped, 3);
    assert.match(text(stopped), /the service is stopped/);
    assert.match(text(stopped), /the firewall rule is missing or different/);
    assert.match(text(stopped), /nobody listens on UDP port 27735/);
    assert.match(
      text(stopped),
      /2026-03-04T05:06:07\.8901234Z error 44 Cannot listen on 0\.0\.0\.0 port 27735: it is <in use>/,
    );
    // Windows keeps a service that another program has open, and says 1060 only when that is closed.
    assertEnd(held, 1);
    assert.match(text(held), /1072/);
    assert.match(text(held), /services\.msc/);
  });
});
