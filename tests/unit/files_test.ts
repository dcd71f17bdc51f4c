/** Files that others read while they are written; on Windows too, where the rules differ. */
import assert from "node:assert/strict";
import { appendLine, readTail, replaceFile, rotatedPath, updateFile } from "../../lib/files.ts";

const onWindows = Deno.build.os === "windows";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const namesIn = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();

Deno.test("replaceFile() makes a file and replaces it, and leaves nothing beside it", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.prom`;
    await replaceFile(path, "one\n");
    assert.equal(await Deno.readTextFile(path), "one\n");
    await replaceFile(path, "two\n");
    assert.equal(await Deno.readTextFile(path), "two\n");
    assert.deepEqual(await namesIn(folder), ["a.prom"]);
  }));

Deno.test("replaceFile() never shows half a file to a reader", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.prom`;
    const texts = ["a", "b"].map((letter) => `${letter.repeat(100_000)}\n`);
    await replaceFile(path, texts[0]);
    let writing = true;
    const read = { a: 0, b: 0 };
    let refused = 0;
    // Windows may refuse to replace what is being read, and to open what is being replaced.
    const excused = (error: unknown) => {
      if (!onWindows) throw error;
      refused++;
    };
    const reader = async () => {
      while (writing) {
        const text = await Deno.readTextFile(path).catch(excused);
        if (text === undefined) continue;
        assert.ok(texts.includes(text), `half a file: ${text.length}`);
        read[text === texts[0] ? "a" : "b"]++;
      }
    };
    const writer = async () => {
      try {
        for (let i = 1; i <= 400; i++) await replaceFile(path, texts[i % 2]).catch(excused);
      } finally {
        writing = false;
      }
    };
    await Promise.all([writer(), reader(), reader()]);
    assert.ok(read.a > 20 && read.b > 20, JSON.stringify({ ...read, refused }));
    assert.deepEqual(await namesIn(folder), ["a.prom"]);
  }));

Deno.test("replaceFile() takes away what a killed process left half-way", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/a.prom.tmp`, "half");
    await replaceFile(`${folder}/a.prom`, "whole\n");
    assert.deepEqual(await namesIn(folder), ["a.prom"]);
  }));

Deno.test("replaceFile() rejects for a folder that is gone, and leaves nothing where it can't rename", () =>
  inFolder(async (folder) => {
    await assert.rejects(replaceFile(`${folder}/none/a.prom`, "x\n"), Deno.errors.NotFound);
    // A folder with something in it can't be replaced by a file.
    await Deno.mkdir(`${folder}/b.prom/full`, { recursive: true });
    await assert.rejects(replaceFile(`${folder}/b.prom`, "x\n"));
    assert.deepEqual(await namesIn(folder), ["b.prom"]);
  }));

Deno.test({
  name: "replaceFile() makes a file that everybody can read",
  ignore: onWindows,
  fn: () =>
    inFolder(async (folder) => {
      const before = Deno.umask(0o022);
      try {
        await replaceFile(`${folder}/a.prom`, "x\n");
      } finally {
        Deno.umask(before);
      }
      const { mode } = await Deno.stat(`${folder}/a.prom`);
      assert.equal((mode ?? 0) & 0o777, 0o644);
    }),
});

Deno.test({
  name: "replaceFile() follows no link, under neither name",
  ignore: onWindows,
  fn: () =>
    inFolder(async (folder) => {
      const secret = `${folder}/secret`;
      await Deno.writeTextFile(secret, "old\n", { mode: 0o600 });
      await Deno.symlink(secret, `${folder}/a.prom`);
      await Deno.symlink(secret, `${folder}/a.prom.tmp`);
      await replaceFile(`${folder}/a.prom`, "new\n");
      assert.equal(await Deno.readTextFile(secret), "old\n");
      assert.equal((await Deno.lstat(`${folder}/a.prom`)).isFile, true);
      assert.deepEqual(await namesIn(folder), ["a.prom", "secret"]);
    }),
});
