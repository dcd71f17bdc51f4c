/** The launchers' text; that they work is shown by tests/lab/router_folder_test.ts. */
import assert from "node:assert/strict";
import {
  bundleInParts,
  launched,
  launcherText,
  permissionFlags,
  programs,
} from "../../packaging/programs.ts";
import config from "../../deno.json" with { type: "json" };

Deno.test("permissionFlags() grants all of a kind, what is listed, or nothing", () => {
  const flags = permissionFlags({ net: true, run: ["ip", "/sbin/ip"], ffi: false, env: [] });
  assert.deepEqual(flags, ["--allow-net", "--allow-run=ip,/sbin/ip"]);
});

Deno.test("permissionFlags() refuses what would become two values", () => {
  for (const value of ["/a,/b", "$HOME", "`id`", ""]) {
    assert.throws(() => permissionFlags({ read: [value] }), RangeError);
  }
});

Deno.test("launcherText() refuses what would become two words", () => {
  const [, service] = programs;
  for (const value of ["/a b", "C:\\a"]) {
    assert.throws(() => launcherText(service, { read: [value] }), RangeError);
  }
});

Deno.test("launcherText() grants what deno.json grants and nothing else", () => {
  for (const program of launched) {
    const set = config.permissions[program.permissions];
    const words = launcherText(program, set).split(/\s+/);
    const granted = words.filter((word) => /^(-A|-[A-Z]\b|--allow-|--deny-)/.test(word));
    const kinds = granted.map((word) => word.replace(/^--allow-|=.*/g, ""));
    assert.deepEqual(kinds, Object.keys(set));
    for (const feature of config.unstable) assert.ok(words.includes(`--unstable-${feature}`));
  }
});

Deno.test("launcherText() lets the sender run `ip` alone and load no library", () => {
  const [sender] = programs;
  const text = launcherText(sender, config.permissions[sender.permissions]);
  assert.doesNotMatch(
    text,
    /--allow-(ffi|all|import)|--allow-(run|write)(\s|$)|--allow-run=(?!ip\s)/,
  );
  assert.match(text, /--no-prompt .*--no-config .*--no-remote --no-npm/);
});

Deno.test("launcherText() starts the router's daemon from the sender's bundle, with libc alone", () => {
  const router = launched[launched.length - 1];
  const text = launcherText(router, config.permissions[router.permissions]);
  assert.match(text, /"\$folder\/arpflush\.js" "\$@"\n$/);
  const [, libraries] = /--allow-ffi=(\S+)/.exec(text) ?? [];
  for (const path of libraries.split(",")) {
    assert.match(path, /^\/(usr\/)?lib(64)?\/(\S+\/)?(libc\.so\.6|ld-musl-\S+\.so\.1)$/);
  }
  assert.doesNotMatch(text, /--allow-(all|import)|--allow-(run|write)(\s|$)|--allow-run=(?!ip\s)/);
});

Deno.test("bundleInParts() puts all that a start needs into one file, alike wherever it is made", async () => {
  const folders = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  try {
    const [sender] = programs;
    const made: string[][] = [];
    // One after the other: two bundlers at once get in each other's way where neither has run before.
    for (const folder of folders) {
      await bundleInParts(sender, folder);
      const files = await Array.fromAsync(Deno.readDir(`${folder}/arpflush-parts`));
      made.push(files.map(({ name }) => name).sort());
    }
    assert.deepEqual(made[0], made[1]);
    const loadedBy = async (name: string) => {
      const text = await Deno.readTextFile(`${folders[0]}/arpflush-parts/${name}`);
      return [...text.matchAll(/(?:\bfrom|\bimport)"\.\/([^"]+)"/g)].map(([, file]) => file);
    };
    const [start, ...others] = await loadedBy("send.js");
    assert.deepEqual([others, await loadedBy(start)], [[], []]);
  } finally {
    for (const folder of folders) await Deno.remove(folder, { recursive: true });
  }
});
