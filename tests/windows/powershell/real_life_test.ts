/** The life of an installation with the real, compiled programs: see real_life.ts. */
import assert from "node:assert/strict";
import { missingForInstaller, type Report } from "./installer.ts";
import { type ChapterName, keyFile, live, password } from "./real_life.ts";

const missing = await missingForInstaller();
if (missing !== null) console.log(`Skipped, this machine lacks ${missing}`);

/** The id of `testKey`. */
const routersKeyId = "93708266";

function text({ lines }: Report): string {
  return lines.map((line) => line.text).join("\n");
}

/** The file of the installed service, with its digest. */
function serviceFile({ after }: Report): string | undefined {
  return after.find((line) => line.includes(String.raw`ArpFlush\arpflush-service.exe `));
}

function firewallRules({ after }: Report): string[] {
  return after.filter((line) => line.includes("FirewallRules"));
}

Deno.test("install.ps1 installs the compiled service, which starts and answers", {
  ignore: missing !== null,
}, async (t) => {
  const { chapters, looks } = await live();
  const report = (name: ChapterName) => chapters[name].report;

  function assertEnd(name: ChapterName, exitCode: number): void {
    assert.equal(report(name).exitCode, exitCode, `${name}: ${text(report(name))}`);
  }

  function assertHealthy(name: ChapterName, version: string, port: number): void {
    assertEnd(name, 0);
    assert.match(text(report(name)), /^Health +healthy$/m, name);
    assert.match(
      text(report(name)),
      new RegExp(`^Version +${version.replaceAll(".", "\\.")}$`, "m"),
    );
    assert.match(text(report(name)), new RegExp(`^Port +UDP ${port}, bound$`, "m"), name);
    assert.match(text(report(name)), /^Probe +answered in \d+ ms \(127\.0\.0\.1\)$/m, name);
    assert.ok(report(name).after.includes("service 4"), "Wine's service control manager: running");
  }

  await t.step("install, and a second time nothing changes", () => {
    assertEnd("absent", 4);
    assertHealthy("install", "0.1.0", 27735);
    assert.match(text(report("install")), /Started version 0\.1\.0 on 0\.0\.0\.0 port 27735/);
    assertHealthy("again", "0.1.0", 27735);
    assert.match(text(report("again")), /^Nothing had to be changed$/m);
    assert.deepEqual(report("again").after, report("again").before);
  });

  await t.step("status for machines", () => {
    assertEnd("json", 0);
    const status = JSON.parse(text(report("json")));
    const { version, state, startType, account, port, portBound, firewallRule } = status;
    assert.deepEqual(
      { version, state, startType, account, port, portBound, firewallRule },
      {
        ...{ version: "0.1.0", state: "running", startType: "auto", account: "LocalSystem" },
        ...{ port: 27735, portBound: true, firewallRule: true },
      },
    );
    assert.equal(status.probe.answered, true);
    assert.deepEqual(status.settings, {});
    assert.deepEqual(status.events.map(({ id }: { id: number }) => id), [1, 10]);
  });

  await t.step("upgrade to another build; one that doesn't start is rolled back", () => {
    assertHealthy("upgrade", "0.2.0", 27735);
    assert.notEqual(serviceFile(report("upgrade")), serviceFile(report("install")));
    assert.match(text(report("upgrade")), /Started version 0\.2\.0 /);
    for (const name of ["broken", "brokenStart"] as const) {
      assertEnd(name, 1);
      assert.deepEqual(report(name).after, report(name).before, text(report(name)));
      assert.ok(report(name).after.includes("service 4"));
    }
    assert.match(text(report("brokenStart")), /Failed: Start service .* exit code 1053/);
    assertHealthy("afterBroken", "0.2.0", 27735);
  });

  await t.step("a key is taken over, and a router that has it is answered", () => {
    assertHealthy("takeKey", "0.2.0", 27735);
    assert.ok(chapters.takeKey.command.includes(keyFile));
    assert.match(text(report("takeKey")), new RegExp(`^Key ids +${routersKeyId} in `, "m"));
    assert.deepEqual(looks.get("takeKey"), {
      boundPorts: [27735],
      answersRouter: true,
      hasMetrics: false,
    });
  });

  await t.step(
    "settings are taken, a password among them; the firewall rule follows the port",
    () => {
      assertHealthy("settings", "0.2.0", 27800);
      assert.deepEqual(looks.get("settings"), {
        boundPorts: [27800],
        answersRouter: false,
        hasMetrics: true,
      });
      const [rule, ...others] = firewallRules(report("settings"));
      assert.match(rule, /LPort=27800\|RA4=192\.0\.2\.0\/24\|RA6=2001:db8::\/32\|/);
      assert.deepEqual(others, []);
      assert.match(text(report("settings")), /Password = \(set\)/);
      for (const { report } of Object.values(chapters)) assert.ok(!text(report).includes(password));
    },
  );

  await t.step("uninstall keeps settings and key; installed again, the router is answered", () => {
    assertEnd("uninstall", 0);
    assertEnd("uninstalled", 4);
    assert.deepEqual(looks.get("uninstalled"), {
      boundPorts: [],
      answersRouter: false,
      hasMetrics: false,
    });
    assertHealthy("back", "0.2.0", 27735);
    assert.deepEqual(looks.get("back"), {
      boundPorts: [27735],
      answersRouter: true,
      hasMetrics: true,
    });
  });

  await t.step("uninstall -Purge leaves nothing", () => {
    assertEnd("purge", 0);
    assert.deepEqual(report("purge").after, report("absent").before);
    assertEnd("gone", 4);
    assert.deepEqual(looks.get("gone")?.boundPorts, []);
  });
});
