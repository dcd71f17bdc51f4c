/** The setup of the README by copy and paste, in two namespaces. */
import assert from "node:assert/strict";
import { outcomeIn } from "./machines.ts";
import { readmeSteps, withVariables } from "./page_commands.ts";

Deno.test("README: its setup leads from nothing to a healed host", async () => {
  const { steps, notify } = await readmeSteps();
  assert.equal(steps.length, 6);
  const files = Object.fromEntries(steps.map((text, i) => [`${i + 1}`, withVariables(text)]));
  const { code, text } = await outcomeIn("readme_steps.sh", files, [notify], 60);
  assert.equal(code, 0, text);
  const [before, after] = text.split("--- as keepalived would");
  assert.match(before, /^sql01 +192\.0\.2\.10 .* STUCK 192\.0\.2\.1 at 02:00:00:00:00:99$/m);
  assert.match(after, /^sql01 +192\.0\.2\.10 .* healed$/m);
  assert.match(after, /^<30>arpflush\[\d+\]: Flush: .* 1 host answered: 1 healed$/m);
  const own = /^eth0\S* +UP +(\S+)/m.exec(after)?.[1];
  assert.match(after, new RegExp(`^192\\.0\\.2\\.1 dev eth0 lladdr ${own} `, "m"));
});
