/** A release: the same bytes each time, with all that belongs to it. Its runtime is a stand-in. */
import assert from "node:assert/strict";
import { root } from "../../packaging/programs.ts";
import { changesOf, releaseLinux, releaseWindows } from "../../packaging/release.ts";
import { arpflushVersion } from "../../lib/version.ts";
import config from "../../deno.json" with { type: "json" };
import { inFolder, isInstalled, run } from "../support/command.ts";
import { packStandIn, standInParts } from "./stand_in.ts";

const { version, epoch } = standInParts;
const ignore = !await isInstalled("tar", "gzip", "zip", "dpkg-buildpackage", "dh", "sha256sum");

/** Runs `make` under a umask, with files of a time in a folder; checks that it made these. */
async function makeFiles(
  files: string,
  umask: number,
  time: number | undefined,
  fill: () => Promise<unknown>,
  make: () => Promise<string[]>,
  wanted: readonly string[],
): Promise<void> {
  const before = Deno.umask(umask);
  try {
    await fill();
    for await (const { name } of Deno.readDir(files)) {
      if (time !== undefined) await Deno.utime(`${files}/${name}`, time, time);
    }
    assert.deepEqual(await make(), wanted);
  } finally {
    Deno.umask(before);
  }
}

/** Makes everything for Linux. */
function linux(output: string, umask: number, time?: number): Promise<void> {
  const packed = `${output}/stage/arpflush`;
  const make = () => releaseLinux(packed, { ...standInParts, output });
  return makeFiles(packed, umask, time, () => packStandIn(packed), make, [
    `arpflush-${version}-linux-x64.tar.gz`,
    `arpflush_${version}_amd64.deb`,
    `arpflush-service_${version}_amd64.deb`,
  ]);
}

/** Makes the archive for Windows. */
function windows(output: string, umask: number, time?: number): Promise<void> {
  const compiled = `${output}/stage/windows-x64`;
  const make = () => releaseWindows(compiled, { ...standInParts, output });
  const fill = async () => {
    await Deno.mkdir(compiled, { recursive: true });
    await Deno.writeTextFile(`${compiled}/arpflush.exe`, "stand-in sender");
    await Deno.writeTextFile(`${compiled}/arpflush-service.exe`, "stand-in service");
  };
  return makeFiles(compiled, umask, time, fill, make, [`arpflush-${version}-windows-x64.zip`]);
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
        const [one, other] = [`${folder}/one`, `${folder}/a longer name`];
        await make(one, 0o022);
        await make(other, 0o077, 1_000_000_000);
        await assertSameFiles(one, other);
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
      const lines = (await run(["tar", "-tvzf", file, "--full-time"], { env: { TZ: "UTC" } }))
        .trimEnd().split("\n");
      const time = new Date(epoch * 1000).toISOString().replace("T", " ").slice(0, 19);
      const names = lines.map((line) => {
        const [, mode, name] = /^(\S+) root\/root +\d+ (?:\S+ \S+) (.*)$/.exec(line) ?? [];
        assert.ok(line.includes(` ${time} `), line);
        const started = /\/(deno|arpflush|arpflush-router|arpflush-service|)$/.test(name);
        assert.match(mode, started ? /^[d-]rwxr-xr-x$/ : /^-rw-r--r--$/, line);
        return name;
      });
      const wanted = ["arpflush.1", "arpflush-service.8", "arpflush.service", "keepalived.conf"];
      wanted.push("confinement.md", "NOTICES.txt", "CHANGELOG.md", "arpflush.spdx.json", "deno");
      wanted.push("arpflush.rules.yml", "arpflush-run.schema.json");
      for (const name of wanted) assert.ok(names.includes(`arpflush/${name}`), name);
      assert.deepEqual(names, names.toSorted());
    }),
});

Deno.test({
  name: "releaseLinux() makes packages with their own paths of programs, and a manual for the unit",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await linux(folder, 0o077);
      const contents = async (name: string, path: string) => {
        const target = `${folder}/${name}`;
        await run(["dpkg-deb", "-x", `${folder}/${name}_${version}_amd64.deb`, target]);
        return await Deno.readTextFile(`${target}/${path}`);
      };
      const unit = await Deno.readTextFile(`${root}/packaging/arpflush.service`);
      assert.equal(
        await contents("arpflush-service", "lib/systemd/system/arpflush.service"),
        unit.replace("=/opt/arpflush/", "=/usr/sbin/")
          .replace(/^Description=.*\n/m, "$&Documentation=man:arpflush-service(8)\n"),
      );
      const example = await contents("arpflush", "usr/share/doc/arpflush/examples/keepalived.conf");
      const scripts = example.matchAll(/notify_\w+ "([^ ]+)/g);
      assert.deepEqual([...new Set(Array.from(scripts, ([, path]) => path))], [
        "/usr/bin/arpflush",
      ]);
    }),
});

Deno.test({
  name: "releaseWindows() lists the sums that the installer asks for",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await windows(folder, 0o077);
      const cwd = `${folder}/stage/windows-x64`;
      const said = await run(["sha256sum", "--check", "--strict", "SHA256SUMS"], { cwd });
      assert.equal(said, "arpflush-service.exe: OK\narpflush.exe: OK\ninstall.ps1: OK\n");
      const listed = await run(["zip", "-sf", `${folder}/arpflush-${version}-windows-x64.zip`]);
      for (
        const name of ["install.ps1", "SHA256SUMS", "NOTICES.txt", "windows.md", "settings.md"]
      ) {
        assert.ok(listed.includes(`windows-x64/${name}\n`), name);
      }
    }),
});

Deno.test("changesOf() reads a version's items, and refuses a version nobody described", () => {
  const text =
    "# Changelog\n\n## 1.1.0 (2026-02-01)\n\nText.\n\n- a\n  b\n- c\n\n## 1.0.0 (2026-01-01)\n";
  assert.deepEqual(changesOf(text, "1.1.0"), ["a b", "c"]);
  assert.deepEqual(changesOf(text, "1.0.0"), []);
  assert.throws(() => changesOf(text, "1.2.0"), /Cannot find "## 1\.2\.0/);
});

Deno.test("lib/version.ts and deno.json name the version that CHANGELOG.md describes", async () => {
  assert.equal(config.version, arpflushVersion);
  assert.ok(changesOf(await Deno.readTextFile(`${root}/CHANGELOG.md`), arpflushVersion).length > 0);
});
