/** The programs' rights, and the launchers' text; that they work is shown by tests/lab/router_folder_test.ts. */
import assert from "node:assert/strict";
import { metricsFolders } from "../../lib/config/settings.ts";
import { argumentFault, targets } from "../../packaging/compile.ts";
import {
  bundleInParts,
  launched,
  launcherText,
  permissionFlags,
  programs,
  publisher,
  root,
} from "../../packaging/programs.ts";
import config from "../../deno.json" with { type: "json" };
import { inFolder } from "../support/command.ts";

const sets = config.permissions;

Deno.test("permissionFlags() grants all of a kind, what is listed, or nothing", () => {
  const flags = permissionFlags({ net: true, run: ["ip", "/sbin/ip"], ffi: false, env: [] });
  assert.deepEqual(flags, ["--allow-net", "--allow-run=ip,/sbin/ip"]);
});

Deno.test("permissionFlags() refuses what would become two values", () => {
  for (const value of ["/a,/b", "$HOME", "`id`", ""]) {
    assert.throws(() => permissionFlags({ read: [value] }), RangeError);
  }
});

Deno.test("permission sets: services write metrics, their key and to systemd, nothing on Windows runs programs", () => {
  assert.deepEqual(sets.service.write, [
    "/run/systemd/notify",
    ...metricsFolders.linux,
    "/var/lib/arpflush",
  ]);
  assert.deepEqual(sets["service-windows"].write, metricsFolders.windows);
  // Metrics and history, where only administrators write.
  assert.deepEqual(sets["sender-windows"].write, [
    metricsFolders.windows[0],
    "C:\\ProgramData\\ArpFlush",
  ]);
  for (const name of ["sender-windows", "service-windows"] as const) {
    assert.ok(!("run" in sets[name]));
  }
  for (const name of ["sender", "sender-windows"] as const) assert.ok(!("ffi" in sets[name]));
});

Deno.test("every executable has permissions, and not all", () => {
  for (const { permissions } of Object.values(targets)) {
    for (const program of programs) {
      const flags = permissionFlags(permissions[program.permissions]);
      assert.ok(flags.length > 0 && !flags.includes("--allow-all"));
    }
  }
});

Deno.test("argumentFault() names an unknown target, and wants one target for one base runtime", () => {
  const oneAlone = "DENORT_BIN names the base runtime of one target: name that one";
  const unknown = '"windows" is none of the targets windows-x64, linux-x64, linux-arm64';
  for (
    const [names, base, fault] of [
      [["linux-x64", "windows"], undefined, unknown],
      [[], undefined, null],
      [["linux-x64", "windows-x64"], undefined, null],
      [["linux-x64"], "/denort", null],
      [[], "/denort", oneAlone],
      [["linux-x64", "windows-x64"], "/denort", oneAlone],
    ] as const
  ) assert.equal(argumentFault(names, base), fault);
});

Deno.test("publisher, LICENSE and debian/control name the same people", async () => {
  const read = (path: string) => Deno.readTextFile(`${root}/${path}`);
  assert.ok((await read("LICENSE")).includes(`\n${publisher.copyright}\n`));
  assert.ok(publisher.copyright.endsWith(publisher.company));
  const control = await read("packaging/debian/control");
  assert.ok(control.includes(`\nMaintainer: ${publisher.maintainer}\n`));
});

Deno.test("launcherText() refuses what would become two words", () => {
  const [, service] = programs;
  for (const value of ["/a b", "C:\\a"]) {
    assert.throws(() => launcherText(service, { read: [value] }), RangeError);
  }
});

Deno.test("launcherText() grants what deno.json grants and nothing else", () => {
  for (const program of launched) {
    const set = sets[program.permissions];
    const text = launcherText(program, set);
    const words = text.split(/\s+/);
    const granted = words.filter((word) => /^(-A|-[A-Z]\b|--allow-|--deny-)/.test(word));
    const kinds = granted.map((word) => word.replace(/^--allow-|=.*/g, ""));
    assert.deepEqual(kinds, Object.keys(set));
    for (const feature of config.unstable) assert.ok(words.includes(`--unstable-${feature}`));
    assert.doesNotMatch(
      text,
      /--allow-(all|import)|--allow-(run|write)(\s|$)|--allow-run=(?!ip\s)/,
    );
    assert.match(text, /--no-prompt .*--no-config .*--no-remote --no-npm/);
  }
});

Deno.test("launcherText() starts the router's daemon from the sender's bundle, with libc alone", () => {
  const router = launched[launched.length - 1];
  const text = launcherText(router, sets[router.permissions]);
  assert.match(text, /"\$folder\/arpflush\.js" "\$@"\n$/);
  const [, libraries] = /--allow-ffi=(\S+)/.exec(text) ?? [];
  for (const path of libraries.split(",")) {
    assert.match(path, /^\/(usr\/)?lib(64)?\/(\S+\/)?(libc\.so\.6|ld-musl-\S+\.so\.1)$/);
  }
});

Deno.test("bundleInParts() puts all that a start needs into one file, alike wherever it is made", () =>
  inFolder((one) =>
    inFolder(async (other) => {
      const [sender] = programs;
      const made: string[][] = [];
      // One after the other: two bundlers at once get in each other's way where neither has run before.
      for (const folder of [one, other]) {
        await bundleInParts(sender, folder);
        const files = await Array.fromAsync(Deno.readDir(`${folder}/arpflush-parts`));
        made.push(files.map(({ name }) => name).sort());
      }
      assert.deepEqual(made[0], made[1]);
      const loadedBy = async (name: string) => {
        const text = await Deno.readTextFile(`${one}/arpflush-parts/${name}`);
        return [...text.matchAll(/(?:\bfrom|\bimport)"\.\/([^"]+)"/g)].map(([, file]) => file);
      };
      const [start, ...others] = await loadedBy("send.js");
      assert.deepEqual([others, await loadedBy(start)], [[], []]);
    })
  ));
