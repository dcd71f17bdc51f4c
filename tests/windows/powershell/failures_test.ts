/** Every step of install.ps1 made to fail: what was there before is as it was. */
import assert from "node:assert/strict";
import { checkoutPath } from "../wine/paths.ts";
import { testKey } from "../wine/windows_host.ts";
import { readSyntax } from "./host.ts";
import { linesOf, missingForInstaller, openInstaller, type Report, type Run } from "./installer.ts";

const missing = await missingForInstaller();
if (missing !== null) console.log(`Skipped, this machine lacks ${missing}`);

/** A failure thrown at the end of a step has all of it to undo; at the start, nothing. */
function atEnd(parameters: Record<string, unknown>, from: Run["from"], ...steps: string[]): Run[] {
  return steps.map((step) => ({ parameters, from, inject: { step, at: "end" } }));
}

function atStart(
  parameters: Record<string, unknown>,
  from: Run["from"],
  ...steps: string[]
): Run[] {
  return steps.map((step) => ({ parameters, from, inject: { step, at: "start" } }));
}

/** A program that fails in the middle of a step. */
function told(parameters: Record<string, unknown>, from: Run["from"], ...fails: string[]): Run[] {
  return fails.map((fail) => ({ parameters, from, environment: { ARPFLUSH_FAIL: fail } }));
}

const install = { Action: "install" };
const fresh = [
  ...atEnd(
    install,
    "first",
    ...["Copy programs", "Write settings", "Protect folder", "Make key"],
    ...["Check settings", "Register event source", "Create service", "Set firewall rule"],
    "Start service",
  ),
  ...atStart(install, "first", "Wait for an answer", "Copy programs", "Make key", "Create service"),
  ...told(install, "first", "icacls /grant:r 5", "sc create 1072", "sc privs 87", "netsh add 1"),
  ...told(install, "first", "sc start 1053"),
];
const changed = { Action: "upgrade", Port: 31_000, HoldDownSeconds: 3, GenerateKey: true };
const upgrade = [
  ...atEnd(
    changed,
    "second",
    ...["Stop service", "Copy programs", "Write settings", "Make key", "Set firewall rule"],
    "Start service",
  ),
  ...atStart(changed, "second", "Wait for an answer", "Copy programs", "Make key"),
  ...atEnd(
    { Action: "upgrade", MetricsFile: String.raw`C:\ProgramData\ArpFlush\metrics\a.prom` },
    "second",
    ...["Make metrics folder", "Start service"],
  ),
  ...atEnd({ Action: "upgrade", KeyFile: "Z:\\tmp\\routers.key" }, "second", "Take key"),
  ...told(changed, "second", "sc start 1053", "netsh delete 1", "netsh add 1"),
];
const purge = { Action: "uninstall", Purge: true };
const uninstall = [
  ...atEnd(
    purge,
    "first",
    ...["Stop service", "Remove firewall rule", "Remove event source", "Remove folder"],
    ...["Remove settings", "Delete service"],
  ),
  ...told(purge, "first", "sc stop 1061", "sc delete 5"),
];
/** A key that others can read, and a service that somebody changed by hand. */
const repair = [
  ...atEnd(install, "first", "Stop service", "Protect key", "Configure service"),
  ...atStart(install, "first", "Protect key"),
  ...told(install, "first", "sc privs 87"),
];

function assertUndone(run: Run, report: Report): void {
  const name = JSON.stringify({ ...run, parameters: run.parameters?.Action });
  const errors = linesOf(report, "error").join("\n");
  assert.equal(report.exitCode, 1, `${name}\n${errors}`);
  assert.match(errors, run.inject ? /injected failure/ : /ended with exit code/, name);
  assert.match(errors, /^Failed: /m, name);
  assert.match(errors, /what to do/, name);
  assert.doesNotMatch(errors, /NOT undone/, name);
  assert.deepEqual(report.after, report.before, `${name}\n${errors}`);
}

function assertAllUndone(runs: readonly Run[], reports: readonly Report[]): void {
  runs.forEach((run, i) => assertUndone(run, reports[i]));
}

Deno.test("install.ps1 undoes what it did when any step fails", {
  ignore: missing !== null,
}, async (t) => {
  const { steps } = await readSyntax(`${checkoutPath}/install.ps1`);
  await using installer = await openInstaller();
  const { session } = installer;
  await t.step("each step is among those that are made to fail", () => {
    const tried = [...fresh, ...upgrade, ...uninstall, ...repair].map(({ inject }) => inject?.step);
    const names = steps.flatMap(({ names }) => names);
    const untried = names.filter((name) => !tried.includes(name));
    assert.deepEqual(untried, []);
  });
  await t.step("install", async () => {
    assertAllUndone(fresh, await installer.run(...fresh));
  });
  await t.step("upgrade with a new port and key", async () => {
    const before = { parameters: { ...install, HoldDownSeconds: 20, Password: { secret: "x" } } };
    await session.unix(["sh", "-c", `echo ${testKey} >/tmp/routers.key`]);
    const [installed, ...reports] = await installer.run(before, ...upgrade);
    assert.equal(installed.exitCode, 0);
    assertAllUndone(upgrade, reports);
  });
  await t.step("install over something changed by hand", async () => {
    const key = "/prefix/drive_c/ProgramData/ArpFlush/key";
    await session.unix(["chmod", "644", key]);
    const services = String.raw`HKLM\SYSTEM\CurrentControlSet\Services\ArpFlush`;
    await session.wine(["reg", "add", services, "/v", "Description", "/d", "by hand", "/f"]);
    const reports = await installer.run(...repair);
    assertAllUndone(repair, reports);
    const { stdout } = await session.unix(["stat", "-c", "%a", key]);
    assert.equal(stdout.trim(), "644", "the old file is back, with its own rights");
  });
  await t.step("uninstall", async () => {
    assertAllUndone(uninstall, await installer.run(...uninstall));
  });
});
