/**
 * The life of an installation with the real, compiled programs, and what somebody else sees of the host: its
 * ports, its metrics, and a router that it answers.
 */
import assert from "node:assert/strict";
import { arpflushVersion } from "../../../lib/version.ts";
import { run } from "../../support/command.ts";
import { createRouter } from "../../support/datagrams.ts";
import { parseEventLog } from "../wine/event_log.ts";
import { checkoutPath } from "../wine/paths.ts";
import { testRouter } from "../wine/windows_host.ts";
import {
  type Installer,
  laterVersion,
  openInstaller,
  type Report,
  type Run,
  textOf,
} from "./installer.ts";

const metricsFile = "/prefix/drive_c/Program Files/ArpFlush/metrics/arpflush.prom";

/** Asks as a router does, by this machine's own Deno: no program that was installed has a part in it. */
async function answersRouter({ session }: Installer): Promise<boolean> {
  const program = `${checkoutPath}/tests/windows/wine/router.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--allow-net", "--allow-env", program, "flush"];
  const ack = await run(["nsenter", "-t", String(session.networkOf), "-n", ...deno]);
  return JSON.parse(ack)?.status === "flushed";
}

async function boundPorts({ session }: Installer): Promise<number[]> {
  const { stdout } = await session.unix(["cat", "/proc/net/udp"]);
  const sockets = stdout.matchAll(/^\s*\d+: [0-9A-F]{8}:([0-9A-F]{4}) /gm);
  return Array.from(sockets, ([, port]) => parseInt(port, 16));
}

function assertHealthy(report: Report, version: string, port: number): void {
  assert.equal(report.exitCode, 0, textOf(report));
  assert.match(textOf(report), /^health +healthy$/m);
  assert.match(textOf(report), new RegExp(`^version +${version.replaceAll(".", "\\.")}$`, "m"));
  assert.match(textOf(report), new RegExp(`^port +${port}\nlistening +True$`, "m"));
}

Deno.test("install.ps1 installs the compiled service, which starts and answers a router", async (t) => {
  await using installer = await openInstaller("compiled");
  const install: Run = { parameters: { Action: "install", RouterKeys: testRouter.publicText } };
  const upgrade: Run = { parameters: { Action: "upgrade" }, from: "second" };

  await t.step("install", async () => {
    const [installed] = await installer.run(install);
    assertHealthy(installed, arpflushVersion, 27735);
    assert.match(textOf(installed), /^hostKey +arpflush-host-[\w-]{43}$/m);
    assert.deepEqual(await boundPorts(installer), [27735]);
    assert.ok(await answersRouter(installer));
  });

  await t.step("upgrade to another build; one that doesn't start is rolled back", async () => {
    const [upgraded, broken] = await installer.run(upgrade, { ...upgrade, from: "broken" });
    assertHealthy(upgraded, laterVersion, 27735);
    assert.equal(broken.exitCode, 1);
    assert.deepEqual(broken.after, broken.before, textOf(broken));
    assert.ok(await answersRouter(installer));
  });

  await t.step("keys go in and out without a restart", async () => {
    const other = createRouter(2).publicText;
    const change = (more: Record<string, string>): Run => ({
      parameters: { Action: "upgrade", ...more },
      from: "second",
    });
    await installer.run(change({ AddRouterKey: other }), change({ RemoveRouterKey: other }));
    const log = parseEventLog(await Deno.readTextFile(`${installer.session.shared}/wine.log`));
    const changes = log.map(({ id }) => id).filter((id) => id === 7 || id === 8);
    assert.deepEqual(changes.slice(-2), [7, 8], "listed, taken out");
    assert.ok(await answersRouter(installer));
  });

  await t.step(
    "settings are taken by a reload, and what the service refuses is undone",
    async () => {
      const MetricsFile = String.raw`C:\Program Files\ArpFlush\metrics\arpflush.prom`;
      const [set, refused] = await installer.run(
        { parameters: { Action: "upgrade", Port: 27800, MetricsFile }, from: "second" },
        { parameters: { Action: "upgrade", HoldDownSeconds: 11 }, from: "second" },
      );
      assertHealthy(set, laterVersion, 27800);
      assert.deepEqual(await boundPorts(installer), [27800]);
      assert.equal(
        (await installer.session.unix(["grep", "-q", "arpflush_", metricsFile])).code,
        0,
      );
      assert.equal(refused.exitCode, 1);
      assert.match(textOf(refused), /HoldDownSeconds: 11 is not a whole number from 1 to 10/);
      assert.deepEqual(refused.after, refused.before);
    },
  );

  await t.step("uninstall keeps settings and keys, -Purge leaves nothing", async () => {
    const [, back] = await installer.run(
      { parameters: { Action: "uninstall" } },
      { parameters: { Action: "install", Port: 27735 }, from: "second" },
    );
    assertHealthy(back, laterVersion, 27735);
    assert.ok(await answersRouter(installer));
    const [purged] = await installer.run({ parameters: { Action: "uninstall", Purge: true } });
    assert.equal(purged.exitCode, 0, textOf(purged));
    assert.deepEqual(purged.after, ["folders  data False", "service absent"]);
    assert.deepEqual(await boundPorts(installer), []);
  });

  await t.step(
    "a password that everybody could read is closed before the service sees it",
    async () => {
      const before = String.raw`$null = New-Item HKLM:\SOFTWARE\NPSL\ArpFlush -Force
      Set-ItemProperty HKLM:\SOFTWARE\NPSL\ArpFlush Password 'of 2009'`;
      const [left] = await installer.run({ ...install, before });
      assertHealthy(left, arpflushVersion, 27735);
    },
  );
});
