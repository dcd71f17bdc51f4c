import assert from "node:assert/strict";
import { metricsFolders } from "../../lib/config/settings.ts";
import { argumentFault, compileTargets, targets } from "../../packaging/compile.ts";
import { permissionFlags, programs, root } from "../../packaging/programs.ts";
import { descriptions, publisher } from "../../packaging/publisher.ts";
import config from "../../deno.json" with { type: "json" };

Deno.test("argumentFault() names an unknown target and what is known", () => {
  assert.equal(
    argumentFault(["linux-x64", "windows"], undefined),
    '"windows" is none of the targets windows-x64, linux-x64, linux-arm64',
  );
  assert.equal(argumentFault([], undefined), null);
  assert.equal(argumentFault(["linux-x64", "windows-x64"], undefined), null);
});

Deno.test("argumentFault() wants one target for one base runtime", () => {
  assert.equal(argumentFault(["linux-x64"], "/denort"), null);
  assert.match(argumentFault([], "/denort") ?? "", /name that one$/);
  assert.match(argumentFault(["linux-x64", "windows-x64"], "/denort") ?? "", /name that one$/);
});

Deno.test("every executable has permissions, and none on Windows to run programs", () => {
  for (const { permissions } of Object.values(targets)) {
    for (const program of ["sender", "service"]) {
      const flags = permissionFlags(permissions[program]);
      assert.ok(flags.length > 0 && !flags.includes("--allow-all"));
    }
  }
  for (const set of [config.permissions["sender-windows"], config.permissions["service-windows"]]) {
    assert.ok(!("run" in set));
  }
  // Metrics and history, where only administrators write.
  assert.deepEqual(config.permissions["sender-windows"].write, [
    metricsFolders.windows[0],
    "C:\\ProgramData\\ArpFlush",
  ]);
});

Deno.test("the service may write metrics, its key and to systemd, and nothing else", () => {
  const { service, "service-windows": onWindows } = config.permissions;
  assert.deepEqual(service.write, [
    "/run/systemd/notify",
    ...metricsFolders.linux,
    "/var/lib/arpflush",
  ]);
  assert.deepEqual(onWindows.write, metricsFolders.windows);
});

Deno.test("publisher.ts, LICENSE and debian/control name the same people", async () => {
  const read = (path: string) => Deno.readTextFile(`${root}/${path}`);
  assert.ok((await read("LICENSE")).includes(`\n${publisher.copyright}\n`));
  assert.ok(publisher.copyright.endsWith(publisher.company));
  const control = await read("packaging/debian/control");
  assert.ok(control.includes(`\nMaintainer: ${publisher.maintainer}\n`));
  assert.deepEqual(Object.keys(descriptions), programs.map(({ name }) => name));
});

Deno.test("the sender loads no library", () => {
  assert.ok(!("ffi" in config.permissions["sender-windows"]));
});

Deno.test("compileTargets() runs one Deno at a time, as the first one may lay the bundler down", async () => {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-compile-" });
  const commands: string[] = [];
  let running = 0;
  try {
    await compileTargets(["linux-x64"], folder, async (command, ...args) => {
      assert.equal(++running, 1, `${command} beside another`);
      commands.push(command);
      const output = args.find((arg) => arg.startsWith("--output="))?.slice("--output=".length);
      assert.ok(output !== undefined);
      await Deno.mkdir(`${folder}/linux-x64`, { recursive: true });
      await Deno.writeTextFile(output, command);
      running--;
      return "";
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assert.deepEqual(commands, ["bundle", "bundle", "compile", "compile"]);
});
