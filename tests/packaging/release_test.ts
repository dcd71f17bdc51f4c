/** A release: the same bytes each time, with all that belongs to it. Its runtime is a stand-in. */
import assert from "node:assert/strict";
import { releaseOf } from "../../packaging/changelog.ts";
import { packagedUnit, relocated } from "../../packaging/deb/tree.ts";
import { releaseLinux, releaseWindows } from "../../packaging/release.ts";
import { runTool } from "../../packaging/tool.ts";
import { packStandIn, standInParts } from "./stand_in.ts";
import { ignoreWithout } from "./tools.ts";

const { version, epoch } = standInParts;
const ignore = await ignoreWithout("tar", "gzip", "zip", "dpkg-deb", "md5sum", "sha256sum");

/** Runs `test` with a folder of its own. */
async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-release-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Makes everything for Linux under a umask, of files of a time; gives the folder. */
async function linux(folder: string, umask: number, time?: number): Promise<string> {
  const before = Deno.umask(umask);
  try {
    await packStandIn(`${folder}/stage/arpflush`);
    await setTimes(`${folder}/stage/arpflush`, time);
    const files = await releaseLinux(`${folder}/stage/arpflush`, {
      ...standInParts,
      output: folder,
    });
    assert.deepEqual(files, [
      `arpflush-${version}-linux-x64.tar.gz`,
      `arpflush_${version}_amd64.deb`,
      `arpflush-service_${version}_amd64.deb`,
    ]);
  } finally {
    Deno.umask(before);
  }
  return folder;
}

/** Makes the archive for Windows likewise. */
async function windows(folder: string, umask: number, time?: number): Promise<string> {
  const before = Deno.umask(umask);
  try {
    const compiled = `${folder}/stage/windows-x64`;
    await Deno.mkdir(compiled, { recursive: true });
    await Deno.writeTextFile(`${compiled}/arpflush.exe`, "stand-in sender");
    await Deno.writeTextFile(`${compiled}/arpflush-service.exe`, "stand-in service");
    await setTimes(compiled, time);
    const files = await releaseWindows(compiled, { ...standInParts, output: folder });
    assert.deepEqual(files, [`arpflush-${version}-windows-x64.zip`]);
  } finally {
    Deno.umask(before);
  }
  return folder;
}

async function setTimes(folder: string, time: number | undefined): Promise<void> {
  if (time === undefined) return;
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.utime(`${folder}/${name}`, time, time);
  }
}

async function assertSameFiles(one: string, other: string): Promise<void> {
  const isFile = (entry: Deno.DirEntry) => entry.isFile;
  const names = (await Array.fromAsync(Deno.readDir(one))).filter(isFile).map(({ name }) => name);
  assert.ok(names.length > 0);
  for (const name of names) {
    const [a, b] = [await Deno.readFile(`${one}/${name}`), await Deno.readFile(`${other}/${name}`)];
    assert.ok(a.length === b.length && a.every((byte, i) => byte === b[i]), `${name} differs`);
  }
}

for (const [name, make] of [["releaseLinux()", linux], ["releaseWindows()", windows]] as const) {
  Deno.test({
    name: `${name} makes the same bytes at another time, in another place, with another umask`,
    ignore,
    fn: () =>
      inFolder(async (folder) => {
        const one = await make(`${folder}/one`, 0o022);
        await assertSameFiles(one, await make(`${folder}/a longer name`, 0o077, 1_000_000_000));
      }),
  });
}

Deno.test({
  name: "releaseLinux() makes an archive of root's files, of the commit's time",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await linux(folder, 0o077);
      const file = `${folder}/arpflush-${version}-linux-x64.tar.gz`;
      const lines = (await runTool("tar", ["-tvzf", file, "--full-time"])).trimEnd().split("\n");
      const time = new Date(epoch * 1000).toISOString().replace("T", " ").slice(0, 19);
      const names = lines.map((line) => {
        const [, mode, name] = /^(\S+) root\/root +\d+ (?:\S+ \S+) (.*)$/.exec(line) ?? [];
        assert.ok(line.includes(` ${time} `), line);
        const started = /\/(deno|arpflush|arpflush-service|)$/.test(name);
        assert.match(mode, started ? /^[d-]rwxr-xr-x$/ : /^-rw-r--r--$/, line);
        return name;
      });
      const wanted = ["arpflush.1", "arpflush-service.8", "arpflush.service", "keepalived.conf"];
      wanted.push("confinement.md", "NOTICES.txt", "CHANGELOG.md", "arpflush.spdx.json", "deno");
      for (const name of wanted) assert.ok(names.includes(`arpflush/${name}`), name);
      assert.deepEqual(names, names.toSorted());
    }),
});

Deno.test({
  name: "releaseLinux() makes packages of root's files, with a sum for each but the settings",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await linux(folder, 0o077);
      const file = `${folder}/arpflush-service_${version}_amd64.deb`;
      const lines = (await runTool("dpkg-deb", ["--contents", file])).trimEnd().split("\n");
      for (const line of lines) {
        assert.match(line, /^(drwxr-xr-x|lrwxrwxrwx|-rw-r--r--|-rwxr-xr-x) root\/root /);
      }
      const regular = lines.filter((line) => line.startsWith("-"))
        .map((line) => line.replace(/^.* \.\//, ""));
      const sums = await runTool("dpkg-deb", ["--info", file, "md5sums"]);
      const summed = sums.trimEnd().split("\n").map((line) => line.slice(34));
      const settings = "etc/arpflush/arpflush.toml";
      assert.deepEqual(summed.sort(), regular.filter((name) => name !== settings).sort());
      const listed = await runTool("dpkg-deb", ["--info", file, "conffiles"]);
      assert.equal(listed, `/${settings}\n`);
    }),
});

Deno.test({
  name: "releaseWindows() lists the sums that the installer asks for",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await windows(folder, 0o077);
      const cwd = `${folder}/stage/windows-x64`;
      const said = await runTool("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd });
      assert.equal(said, "arpflush-service.exe: OK\narpflush.exe: OK\ninstall.ps1: OK\n");
      const listed = await runTool("zip", ["-sf", `${folder}/arpflush-${version}-windows-x64.zip`]);
      for (
        const name of ["install.ps1", "SHA256SUMS", "NOTICES.txt", "windows.md", "settings.md"]
      ) {
        assert.ok(listed.includes(`windows-x64/${name}\n`), name);
      }
    }),
});

Deno.test("packagedUnit() starts the package's program and names its manual", async () => {
  const unit = await Deno.readTextFile(
    new URL("../../packaging/arpflush.service", import.meta.url),
  );
  const packaged = packagedUnit(unit);
  assert.match(packaged, /^ExecStart=\/usr\/sbin\/arpflush-service$/m);
  assert.match(packaged, /^Documentation=man:arpflush-service\(8\)$/m);
  const changed = (text: string) =>
    text.split("\n").filter((line) => !/^(#|ExecStart=|Documentation=)/.test(line));
  assert.deepEqual(changed(packaged), changed(unit));
  assert.throws(() => packagedUnit(unit.replace("/opt/arpflush/", "/srv/")), /Cannot adapt/);
});

Deno.test("relocated() gives each program its own path", () => {
  assert.equal(
    relocated('notify_master "/opt/arpflush/arpflush -a"\n/opt/arpflush/arpflush-service'),
    'notify_master "/usr/bin/arpflush -a"\n/usr/sbin/arpflush-service',
  );
});

Deno.test("releaseOf() reads a version's date and items, and refuses one nobody described", () => {
  const text =
    "# Changelog\n\n## 1.1.0 (2026-02-01)\n\nText.\n\n- a\n  b\n- c\n\n## 1.0.0 (2026-01-01)\n";
  assert.deepEqual(releaseOf(text, "1.1.0"), { date: "2026-02-01", items: ["a b", "c"] });
  assert.deepEqual(releaseOf(text, "1.0.0"), { date: "2026-01-01", items: [] });
  assert.throws(() => releaseOf(text, "1.2.0"), /Cannot find "## 1\.2\.0/);
});
