/** The test task itself, on small projects of its own. */
import assert from "node:assert/strict";

const entry = new URL("../run.ts", import.meta.url).href;
const config = `${import.meta.dirname}/../../deno.json`;
const permissions = {
  permissions: { tests: { read: true, write: true, run: true, env: true, sys: true } },
};

/** Runs the task on these files; gives its exit code and its last line. */
async function runOn(
  files: Record<string, string>,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<[number, string]> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(permissions));
    for (const [name, text] of Object.entries(files)) {
      const path = `${folder}/tests/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-prompt", "--config", config, "-P=tests", entry, ...args],
      cwd: folder,
      env: { CI: "", ...env },
      stderr: "null",
    }).output();
    return [code, new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1) ?? ""];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const good = 'Deno.test("good", () => {});\n';
const bad = 'Deno.test("bad", () => { throw new Error("bad"); });\n';
const ignored = 'Deno.test({ name: "ignored", ignore: true, fn() {} });\n';

Deno.test("run.ts counts tests of all folders and files that can't be loaded", async () => {
  const files = {
    "a_test.ts": good + bad + ignored,
    "deep/er/b_test.ts": good,
    "c_test.ts": 'throw new Error("load");',
    "helper.ts": bad,
  };
  assert.deepEqual(await runOn(files), [1, "2 passed, 2 failed, 1 skipped"]);
});

Deno.test("run.ts counts a run that dies as a failure", async () => {
  const dying = 'Deno.test("dies", () => Deno.kill(Deno.pid, "SIGKILL"));';
  assert.deepEqual(await runOn({ "a_test.ts": dying }), [1, "0 passed, 1 failed, 0 skipped"]);
});

Deno.test("run.ts skips a tier that the machine can't run, which CI=true takes as failure", async () => {
  const files = { "a_test.ts": good, "net/b_test.ts": good };
  const nothing = { PATH: "/nonexistent" };
  assert.deepEqual(await runOn(files, [], nothing), [0, "1 passed, 0 failed, 1 skipped"]);
  const strict = { ...nothing, CI: "true" };
  assert.deepEqual(await runOn(files, [], strict), [1, "1 passed, 0 failed, 1 skipped"]);
});

Deno.test("run.ts runs the tier, the file and the test that are named", async () => {
  const files = { "a_test.ts": good + bad, "b_test.ts": bad, "net/c_test.ts": bad };
  const outcome = await runOn(files, ["unit", "tests/a_test.ts", "--filter", "good"]);
  assert.deepEqual(outcome, [0, "1 passed, 0 failed, 0 skipped"]);
});

Deno.test("run.ts refuses an unknown tier with exit code 2", async () => {
  assert.deepEqual(await runOn({ "a_test.ts": good }, ["unti"]), [2, ""]);
});
