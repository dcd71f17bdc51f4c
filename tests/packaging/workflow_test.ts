/** The workflow against the files it names; actionlint judges its syntax (docs/testing.md). */
import assert from "node:assert/strict";
import { root } from "../../packaging/programs.ts";
import config from "../../deno.json" with { type: "json" };

Deno.test("ci.yml calls scripts, tasks and tests that are there", async () => {
  const workflow = await Deno.readTextFile(`${root}/.github/workflows/ci.yml`);
  const scripts = workflow.matchAll(/run: (\.[\w\\/.]+)/g);
  const tests = workflow.matchAll(/ (tests\/\w[\w/]*)/g);
  for (const [, path] of [...scripts, ...tests]) {
    await Deno.stat(`${root}/${path.replaceAll("\\", "/")}`);
  }
  for (const [, task] of workflow.matchAll(/\$DENO task (\w+)/g)) {
    assert.ok(task in config.tasks, task);
  }
});
