/** Files that others read while they are written; on Windows too, where the rules differ. */
import assert from "node:assert/strict";
import { appendLine, readTail, replaceFile, rotatedPath, updateFile } from "../../lib/files.ts";
import type { After } from "../../lib/time.ts";
import { inFolder, run } from "../support/command.ts";

const onWindows = Deno.build.os === "windows";

const namesIn = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();

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

/** Changes that each read what the others wrote. */
Deno.test("updateFile() loses no change of several at once", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.prom`;
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => updateFile(path, (text) => `${text}${i}\n`)),
    );
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map(Number);
    assert.deepEqual(lines.toSorted((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i));
    assert.deepEqual(await namesIn(folder), ["a.prom", "a.prom.lock"]);
  }));

Deno.test("updateFile() leaves the old text where its change throws", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/a`, "old");
    const change = () => {
      throw new Error("no");
    };
    await assert.rejects(updateFile(`${folder}/a`, change), /^Error: no$/);
    assert.equal(await Deno.readTextFile(`${folder}/a`), "old");
  }));

Deno.test("updateFile() and appendLine() refuse what is no regular file or is locked too long", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/folder`);
    if (!onWindows) await Deno.symlink(`${folder}/secret`, `${folder}/link`);
    for (const name of onWindows ? ["folder"] : ["folder", "link"]) {
      const refused = /^Error: it is not a regular file$/;
      await assert.rejects(updateFile(`${folder}/${name}`, String), refused);
      await assert.rejects(appendLine(`${folder}/${name}`, "{}", 100), refused);
    }
    const holder = await Deno.open(`${folder}/a`, { write: true, create: true });
    await holder.lock(true);
    let passed = 0;
    const after: After = (ms, run) => {
      passed += ms;
      queueMicrotask(run);
      return () => {};
    };
    await assert.rejects(appendLine(`${folder}/a`, "{}", 100, after), /another process has locked/);
    assert.equal(passed, 2_000);
    holder.close();
    assert.ok(!(await namesIn(folder)).includes("secret"));
  }));

const linesOf = async (path: string) => (await readTail(path, 1_000_000))?.trimEnd().split("\n");

/** Appends 25 lines that say who wrote them, in a process of its own. */
const writer = `
import { appendLine } from "${new URL("../../lib/files.ts", import.meta.url)}";
const [path, name] = Deno.args;
const padding = "x".repeat(90);
for (let i = 0; i < 25; i++) await appendLine(path, JSON.stringify([name, i, padding]), 5_000);
`;

Deno.test("appendLine() keeps every line whole, of several processes, over a rotation", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/writer.ts`, writer);
    const path = `${folder}/h`;
    const line = [Deno.execPath(), "run", "-q", "--allow-all", `${folder}/writer.ts`, path];
    const names = ["a", "b", "c"];
    await Promise.all(names.map((name) => run([...line, name])));
    const files = [rotatedPath(path), path];
    const lines = (await Promise.all(files.map(linesOf))).flatMap((one) => one ?? []);
    // All 75 lines are more than one file takes, and fewer than two.
    const written = lines.map((one) => JSON.parse(one).slice(0, 2).join(" "));
    const all = names.flatMap((name) => Array.from({ length: 25 }, (_, i) => `${name} ${i}`));
    assert.deepEqual(written.toSorted(), all.toSorted());
    for (const one of files) assert.ok((await Deno.stat(one)).size <= 5_000);
  }));

Deno.test("appendLine() begins a line of its own behind a torn one, and knows another kind of file", () =>
  inFolder(async (folder) => {
    const path = `${folder}/h`;
    await Deno.writeTextFile(path, '{"a":1}\n{"b":');
    await appendLine(path, '{"c":3}', 1_000);
    assert.deepEqual(await linesOf(path), ['{"a":1}', '{"b":', '{"c":3}']);
    await Deno.writeTextFile(path, "secret\n");
    await assert.rejects(appendLine(path, "{}", 1_000), /^Error: it holds something else$/);
    await assert.rejects(appendLine(`${folder}/none/h`, "{}", 1_000), Deno.errors.NotFound);
  }));

Deno.test("readTail() begins at a line, and gives null where there is no file", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/h`, "one\ntwo\nthree\n");
    assert.equal(await readTail(`${folder}/h`, 12), "two\nthree\n");
    assert.equal(await readTail(`${folder}/h`, 100), "one\ntwo\nthree\n");
    assert.equal(await readTail(`${folder}/none`, 100), null);
  }));
