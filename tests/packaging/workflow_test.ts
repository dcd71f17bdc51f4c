/** The workflow against the files it names; actionlint judges its syntax (docs/releasing.md). */
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };

const root = new URL("../../", import.meta.url);
const workflow = await Deno.readTextFile(new URL(".github/workflows/ci.yml", root));

/** A name as a regular expression. */
function escaped(name: string): string {
  return name.replaceAll(/[()]/g, "\\$&");
}

Deno.test("ci.yml calls scripts and tasks that are there", async () => {
  for (const [, path] of workflow.matchAll(/(?<=run: )(\.[\w\\/.]+)/g)) {
    await Deno.stat(new URL(path.replaceAll("\\", "/"), root));
  }
  const tasks = [...workflow.matchAll(/\$DENO task (\w+)/g)].map(([, name]) => name);
  assert.deepEqual([...new Set(tasks)], ["release"]);
  for (const task of tasks) assert.ok(task in config.tasks, task);
});

Deno.test("ci.yml runs the same unit tests on Windows as tests/windows does under Wine", async () => {
  const source = await Deno.readTextFile(new URL("tests/windows/unit_tests_test.ts", root));
  const rooms = /const rooms = \[(.*?)\]/s.exec(source)?.[1].match(/\w+/g) ?? [];
  const left = /const onlyLinux = \[(.*?)\];/s.exec(source)?.[1].matchAll(/"(.*)",/g) ?? [];
  const names = Array.from(left, ([literal]) => JSON.parse(literal.slice(0, -1)));
  assert.ok(rooms.length > 0 && names.length > 0);
  const [, filter] = /FILTER: >-\n((?: {12}.*\n)+)/.exec(workflow) ?? [];
  const folded = filter.trim().replaceAll(/\s*\n\s+/g, " ");
  assert.equal(folded, `/^(?!${names.map(escaped).join("$|")}$)/`);
  assert.ok(workflow.includes(rooms.map((room) => `tests/unit/${room}`).join(" ")));
});
