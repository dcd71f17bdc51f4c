/** Every call of install.ps1 that changes something made to fail, and every file held by another program. */
import assert from "node:assert/strict";
import { openInstaller, type Report, type Run, textOf } from "./installer.ts";

const installer = await openInstaller("stand-ins");
Deno.test.afterAll(async () => await installer[Symbol.asyncDispose]());

const RouterKeys = [`arpflush-public-${"A".repeat(43)}`];
const install: Run = { parameters: { Action: "install", RouterKeys } };
const installFresh: Run = { ...install, fresh: true };
/** Every step that an upgrade has: service, programs, settings, firewall rule. */
const upgrade: Run = {
  parameters: {
    Action: "upgrade",
    Port: 31_000,
    AddRouterKey: `arpflush-public-${"B".repeat(43)}`,
    AllowedSources: "192.0.2.0/24",
  },
  from: "second",
};
/** Nothing that needs a restart. */
const reload: Run = { parameters: { Action: "upgrade", Port: 31_001 } };
const uninstall: Run = { parameters: { Action: "uninstall", Purge: true } };
const files = ["arpflush-service.exe", "arpflush.exe", "install.ps1", "SHA256SUMS"];

function failing(run: Run, from: number, to: number): Run[] {
  return Array.from({ length: to - from }, (_, i) => ({
    ...run,
    faults: [{ kind: "fail", at: from + i }],
  }));
}

/** How many calls of a run change something. */
async function callsOf(run: Run): Promise<number> {
  const [{ faults }] = await installer.run({ ...run, faults: [{ kind: "fail", at: 1_000 }] });
  return faults[0].count;
}

function assertUndone(report: Report): void {
  const [{ met }] = report.faults;
  assert.notEqual(met, "");
  assert.equal(report.exitCode, 1, `${met}\n${textOf(report)}`);
  assert.match(textOf(report), /^Failed: /m, met);
  assert.doesNotMatch(textOf(report), /NOT undone/, met);
  assert.deepEqual(report.after, report.before, `${met}\n${textOf(report)}`);
}

Deno.test("install.ps1 undoes everything, whichever call of an installation fails", async () => {
  const count = await callsOf(installFresh);
  await installer.run(uninstall);
  assert.ok(count > 15, `${count} calls`);
  (await installer.run(...failing(install, 1, count + 1))).forEach(assertUndone);
});

Deno.test("install.ps1 puts everything back, whichever call of an upgrade or of a change fails", async () => {
  await installer.run(installFresh);
  const count = await callsOf(upgrade);
  assert.ok(count > 15, `${count} calls`);
  await installer.run(installFresh);
  // The last calls clear away the old files: all has worked, and what stays is said.
  const reports = await installer.run(...failing(upgrade, 1, count + 1 - files.length));
  reports.forEach(assertUndone);
  for (const { after } of reports) assert.ok(after.includes("service Running"));
  (await installer.run(...failing(reload, 1, 4))).forEach(assertUndone);
  const [cleared] = await installer.run(...failing(upgrade, count, count + 1));
  assert.equal(cleared.exitCode, 0, textOf(cleared));
  assert.match(textOf(cleared), /^Cannot remove C:\\.*SHA256SUMS\.old: injected failure/m);
  assert.match(textOf(cleared), /^health +healthy$/m);
});

Deno.test("install.ps1 says what it couldn't undo, and undoes the rest", async () => {
  await installer.run(installFresh);
  const count = await callsOf(upgrade);
  // Start-Service, with the firewall rule's the last but those that clear away; then the first of the undo.
  const fault = { kind: "fail", at: count - files.length - 1 } as const;
  const [, report] = await installer.run(installFresh, { ...upgrade, faults: [fault, fault] });
  assert.deepEqual(report.faults.map(({ met }) => met.split(" ")[0]), [
    "Start-Service",
    "Remove-ItemProperty",
  ]);
  assert.equal(report.exitCode, 1);
  assert.match(textOf(report), /^Failed: Cannot start service/m);
  assert.match(textOf(report), /^ {2}NOT undone: write registry: injected failure/m);
  const others = (facts: readonly string[]) => facts.filter((fact) => !fact.includes("NPSL"));
  assert.deepEqual(others(report.after), others(report.before));
  assert.notDeepEqual(report.after, report.before);
});

Deno.test("install.ps1 uninstalls in a second run what a failure left of the first", async () => {
  const [{ before: clean }] = await installer.run(installFresh);
  const count = await callsOf(uninstall);
  const runs = failing(uninstall, 1, count + 1).flatMap((run) => [install, run, uninstall]);
  const reports = await installer.run(...runs);
  for (let i = 0; i < reports.length; i += 3) {
    const [, failed, ended] = reports.slice(i, i + 3);
    const [{ met }] = failed.faults;
    assert.notEqual(met, "");
    assert.equal(failed.exitCode, 1, met);
    assert.equal(ended.exitCode, 0, met + textOf(ended));
    assert.deepEqual(ended.after, clean, met);
  }
});

/** Windows' errors (winerror.h). */
const accessDenied = 5, sharingViolation = 32;

/** The calls about files of a run in which each was refused three times. */
function assertWaited({ faults }: Report): string[] {
  const { errors, refused } = faults[faults.length - 1];
  const calls = Object.keys(refused);
  const expected = calls.flatMap((call) => {
    const isFolder = /^Move-Item -LiteralPath [^.]*ArpFlush C:/.test(call);
    const error = isFolder ? accessDenied : sharingViolation;
    return [error, accessDenied, error];
  });
  assert.deepEqual(errors, expected);
  assert.ok(Object.values(refused).every((times) => times === 3));
  return calls;
}

Deno.test("install.ps1 waits where files are held, when it does and when it undoes", async () => {
  const faults = [{ kind: "held" }] as const;
  const reports = await installer.run(
    { ...installFresh, faults },
    { ...upgrade, faults },
    { ...uninstall, faults },
    install,
  );
  for (const report of reports) assert.equal(report.exitCode, 0, textOf(report));
  const [installed, upgraded, uninstalled] = reports.slice(0, 3).map(assertWaited);
  for (const file of files) {
    const calls = (verb: string, all: string[]) =>
      all.filter((call) => call.startsWith(verb) && call.includes(file)).length;
    assert.deepEqual([calls("Copy", installed), calls("Move", installed)], [1, 1], file);
    assert.deepEqual(
      [calls("Copy", upgraded), calls("Move", upgraded), calls("Remove", upgraded)],
      [1, 2, 1],
      file,
    );
  }
  assert.deepEqual(uninstalled.map((call) => call.split("-")[0]), ["Move", "Remove"]);

  const [undone] = await installer.run({ ...upgrade, from: "broken", faults });
  assert.equal(undone.exitCode, 1);
  assert.deepEqual(undone.after, undone.before, textOf(undone));
  // Of each file: copied, taken away, put in place; and in the undo removed and put back.
  assert.equal(assertWaited(undone).length, 5 * files.length);
});
